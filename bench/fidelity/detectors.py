"""Detectors of outliers in tables beside which ours are measured, and what is common to E9 and E13.

Each takes rows to learn from and rows to score; where both are the same rows, each is scored as its
library scores the rows that it was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Score = Callable[[Matrix, Matrix | None, int], Matrix]
"""Takes rows to learn from, rows to score (None: the same ones) and a seed; higher is odder."""


def standardise(train: Matrix, test: Matrix | None) -> tuple[Matrix, Matrix | None]:
    """Returns both with columns of zero mean and unit variance in the first."""
    center, scale = train.mean(0), train.std(0)
    scale = np.where(scale < 1e-12, 1.0, scale)
    return (train - center) / scale, None if test is None else (test - center) / scale


def score_by_forest(train: Matrix, test: Matrix | None, seed: int) -> Matrix:
    """Scores by scikit-learn's IsolationForest at its defaults."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=seed).fit(train)
    return np.asarray(-forest.score_samples(train if test is None else test))


def score_by_local_factor(train: Matrix, test: Matrix | None, seed: int) -> Matrix:
    """Scores by scikit-learn's LocalOutlierFactor of 20 neighbours, on standardised columns."""
    from sklearn.neighbors import LocalOutlierFactor

    train, test = standardise(train, test)
    found = LocalOutlierFactor(min(20, len(train) - 1), novelty=test is not None).fit(train)
    return np.asarray(
        -found.negative_outlier_factor_ if test is None else -found.score_samples(test)
    )


def score_by_neighbour(k: int, train: Matrix, test: Matrix | None, seed: int) -> Matrix:
    """Scores by the distance to the k-th neighbour, on standardised columns."""
    from sklearn.neighbors import NearestNeighbors

    train, test = standardise(train, test)
    found = NearestNeighbors(n_neighbors=min(k, len(train) - 1)).fit(train)
    return np.asarray(found.kneighbors(test)[0][:, -1])


def score_by_pyod(name: str, train: Matrix, test: Matrix | None, seed: int) -> Matrix:
    """Scores by a detector of PyOD at its defaults, on standardised columns."""
    import torch
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.ecod import ECOD
    from pyod.models.knn import KNN

    torch.manual_seed(seed)
    found = {
        "KNN": KNN,
        "ECOD": ECOD,
        "AutoEncoder": partial(AutoEncoder, random_state=seed, verbose=0),
    }[name]()
    train, test = standardise(train, test)
    found.fit(train)
    return np.asarray(found.decision_scores_ if test is None else found.decision_function(test))


BASELINES: Mapping[str, Score] = {
    "IsolationForest": score_by_forest,
    "LOF(20)": score_by_local_factor,
    "kNN(5)": partial(score_by_neighbour, 5),
    "kNN(1)": partial(score_by_neighbour, 1),
}
PYOD: Mapping[str, Score] = {
    f"PyOD {name}": partial(score_by_pyod, name) for name in ("KNN", "ECOD", "AutoEncoder")
}
RANDOM = ("IsolationForest", "PyOD AutoEncoder")  # those whose figures depend on the seed


def has_pyod() -> bool:
    """Returns True where PyOD is installed: bench/requirements.txt."""
    return find_spec("pyod") is not None


# -- means over sets

Figures = Mapping[str, Mapping[str, Sequence[float]]]  # set -> method -> one for each seed


def leave_out_sets(figures: Figures, left_out: Sequence[str]) -> Figures:
    """Returns the figures without those of some sets, given by a part of their file's name."""
    return {
        name: row
        for name, row in figures.items()
        if not any(part.lower() in name.lower() for part in left_out)
    }
