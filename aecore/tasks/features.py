"""Features: codes as a table, their accuracy beside raw values and PCA, and how true a map is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.probe import fit_linear_probe
from aecore.data.splits import Split, as_float
from aecore.errors import DataError
from aecore.model.autoencoder import Autoencoder
from aecore.progress import listen_to_progress, track_progress
from aecore.tasks.search import make_baseline_vectors, score_retrieval

TRUST_NEIGHBOURS = 10
TRUST_ROWS = 3000  # points by which a map is judged: every pair of them is compared


def make_code_table(model: Autoencoder, split: Split, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Return a row per example: its code, z0 to z(d-1), and its class where there is one."""
    return tabulate_codes(encode_in_chunks(model, split.x), split.y, classes)


def tabulate_codes(z: Tensor, y: Tensor | None, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Return a row per code of z (N, d), and its class where there is one."""
    frame = pd.DataFrame(z.numpy(), columns=[f"z{i}" for i in range(z.shape[1])])
    if y is not None:
        frame["class"] = np.array(classes, dtype=object)[y.numpy()] if len(classes) else y.numpy()
    return frame


# -- classifiers on features


class FeatureAccuracy(NamedTuple):
    """Test errors of classifiers on some features, as shares of the examples."""

    name: str
    size: int  # values per example
    linear: float  # logistic regression, its penalty chosen on training examples held out
    nearest: float  # the class of the nearest training example


def compare_features(
    models: dict[str, Autoencoder], train: Split, test: Split, limit: int = 5000
) -> list[FeatureAccuracy]:
    """Compare codes with raw values and, for each size of code, as many principal components.

    Trained with at most `limit` examples. DataError where there are no classes to tell apart.
    """
    if train.y is None or test.y is None:
        raise DataError(
            "Features are judged by the classes that they tell apart, and these data have none."
        )
    rows = shuffle_rows(len(train.x))[:limit]
    x, y = train.x[rows], train.y[rows]
    vectors: dict[str, tuple[Tensor, Tensor]] = {}
    for size in sorted({model.config.latent_dim for model in models.values()}):
        vectors |= make_baseline_vectors(x, test.x, size)
    with listen_to_progress(None):  # it is short beside the judging
        for name, model in models.items():
            vectors[name] = encode_in_chunks(model, x), encode_in_chunks(model, test.x)
    return [
        judge_features(name, vectors[name][0], y, vectors[name][1], test.y)
        for name in track_progress(list(vectors))
    ]


def judge_features(
    name: str, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor
) -> FeatureAccuracy:
    """Return test errors on features (N, size) with classes (N,)."""
    nearest = 1 - score_retrieval(z, y, test_z, test_y, k=1).precision_at_1
    return FeatureAccuracy(name, z.shape[1], fit_linear_probe(z, y, test_z, test_y).error, nearest)


# -- maps of features


class MapTrust(NamedTuple):
    """How true a map is to the distances of what it shows."""

    trustworthiness: float  # 1: all neighbours on the map are so in truth (Venna & Kaski, 2001)
    accuracy: float | None  # of the majority class of neighbours; None without classes
    points: int  # by which it was judged


def measure_map_trust(x: Tensor, positions: Tensor, y: Tensor | None = None) -> MapTrust:
    """Judge positions (N, 2 or 3) of examples, codes or rows x (N, ...) with classes (N,).

    DataError for too few points.
    """
    from sklearn.manifold import trustworthiness

    if len(x) != len(positions) or len(x) <= 2 * TRUST_NEIGHBOURS:
        raise DataError(
            f"A map needs more than {2 * TRUST_NEIGHBOURS} points, one for each of {len(x)}; "
            f"got {len(positions)}."
        )
    rows = shuffle_rows(len(x))[:TRUST_ROWS]
    flat, places = as_float(x[rows]).flatten(1).numpy(), positions[rows]
    accuracy = None if y is None else compute_neighbour_accuracy(places, y[rows])
    trust = float(trustworthiness(flat, places.numpy(), n_neighbors=TRUST_NEIGHBOURS))
    return MapTrust(trust, accuracy, len(rows))


def compute_neighbour_accuracy(z: Tensor, y: Tensor, k: int = TRUST_NEIGHBOURS) -> float:
    """Return the accuracy of the majority among the k nearest other points of z (N, d).

    Classes y are (N,).
    """
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(k).fit(z.numpy(), y.numpy()).kneighbors(return_distance=False)
    votes = np.eye(int(y.max()) + 1)[y.numpy()[neighbours]].sum(1)
    return float((votes.argmax(1) == y.numpy()).mean())


def shuffle_rows(count: int) -> Tensor:
    """Return the numbers below `count` in an order that is always the same."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


# -- the size of a linear code


def compute_pca_errors(train: Tensor, test: Tensor) -> Tensor:
    """Return the test SE, summed over values, of 0, 1, 2, ... principal components.

    They are fitted to train (N, ...); the result is (min(N, d) + 1,).
    """
    train, test = (as_float(part).flatten(1).double() for part in (train, test))
    mean = train.mean(0)
    basis = (
        torch.linalg.svd(train - mean, full_matrices=False).Vh
        if len(train) < train.shape[1]
        else compute_principal_directions(train)
    )
    explained = ((test - mean) @ basis.T).square().mean(0).cumsum(0)
    total = (test - mean).square().sum(1).mean()
    return (total - torch.cat([explained.new_zeros(1), explained])).clamp(min=0)


def compute_principal_directions(x: Tensor) -> Tensor:
    """Return the principal directions of x (N, d), the strongest first: (d, d)."""
    return torch.linalg.eigh(torch.cov(x.T, correction=0)).eigenvectors.flip(1).T
