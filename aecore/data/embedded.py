"""Data sets that need no download: scikit-learn's small ones, and sampled manifolds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aecore.data.raw import Array, RawData

MANIFOLD_POINTS = 2000
"""Number of points of each manifold."""


ROLL_CLASSES = 8
"""Number of classes that the position along a rolled-up sheet is cut into."""


def read_digits(_root: Path) -> RawData:
    """Return scikit-learn's digits: (1797, 1, 8, 8) bytes, its 17 greys spread over 0 to 255."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    classes = tuple(str(name) for name in bunch.target_names)
    return RawData("image", x[:, None], bunch.target.astype(np.int64), classes)


def read_breast_cancer(_root: Path) -> RawData:
    """Return scikit-learn's breast cancer table, (569, 30) in raw units."""
    from sklearn.datasets import load_breast_cancer

    return _make_raw_table(load_breast_cancer())


def read_iris(_root: Path) -> RawData:
    """Return scikit-learn's iris table, (150, 4) in raw units."""
    from sklearn.datasets import load_iris

    return _make_raw_table(load_iris())


def read_wine(_root: Path) -> RawData:
    """Return scikit-learn's wine table, (178, 13) in raw units."""
    from sklearn.datasets import load_wine

    return _make_raw_table(load_wine())


def read_swiss_roll(_root: Path) -> RawData:
    """Sample 2000 points of a rolled-up sheet; its classes are 8 equal stretches of the roll."""
    from sklearn.datasets import make_swiss_roll

    x, position = make_swiss_roll(MANIFOLD_POINTS, noise=0.1, random_state=0)
    return _make_raw_roll(x, position)


def read_s_curve(_root: Path) -> RawData:
    """Sample 2000 points of a sheet bent to an S; its classes are 8 equal stretches of it."""
    from sklearn.datasets import make_s_curve

    x, position = make_s_curve(MANIFOLD_POINTS, noise=0.02, random_state=0)
    return _make_raw_roll(x, position)


def read_moons(_root: Path) -> RawData:
    """Sample 2000 points of two half circles, which are the classes."""
    from sklearn.datasets import make_moons

    x, y = make_moons(MANIFOLD_POINTS, noise=0.05, random_state=0)
    return _make_raw_manifold(x, y, ("upper", "lower"))


def read_circles(_root: Path) -> RawData:
    """Sample 2000 points of a circle inside a circle, which are the classes."""
    from sklearn.datasets import make_circles

    x, y = make_circles(MANIFOLD_POINTS, noise=0.05, factor=0.5, random_state=0)
    return _make_raw_manifold(x, y, ("outer", "inner"))


def _make_raw_table(bunch: Any) -> RawData:
    return RawData(
        "table",
        bunch.data.astype(np.float32),
        bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
        columns=tuple(str(name) for name in bunch.feature_names),
    )


def _make_raw_roll(x: Array, position: Array) -> RawData:
    """Cut the position along the sheet into classes of equally many points."""
    rank = np.argsort(np.argsort(position))
    classes = tuple(f"{i + 1} of {ROLL_CLASSES}" for i in range(ROLL_CLASSES))
    return _make_raw_manifold(x, rank * ROLL_CLASSES // MANIFOLD_POINTS, classes)


def _make_raw_manifold(x: Array, y: Array, classes: tuple[str, ...]) -> RawData:
    columns = ("x", "y", "z")[: x.shape[1]]
    return RawData("manifold", x.astype(np.float32), y.astype(np.int64), classes, columns)
