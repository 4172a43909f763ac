"""Features: codes as a table, what they are worth beside raw values and PCA, and how honest a map of them is."""

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
from aecore.tasks.search import build_baseline_indexes, score_retrieval

TRUST_NEIGHBOURS = 10
TRUST_ROWS = 3000  # points by which a map is judged: every pair of them is looked at


def make_code_table(model: Autoencoder, split: Split, classes: Sequence[str] = ()) -> pd.DataFrame:
    """A row an example: its code, z0 to z(d-1), and its class where there is one."""
    z = encode_in_chunks(model, split.x).numpy()
    frame = pd.DataFrame(z, columns=[f"z{i}" for i in range(z.shape[1])])
    if split.y is not None:
        y = split.y.numpy()
        frame["class"] = np.array(classes, dtype=object)[y] if len(classes) else y
    return frame


class FeatureAccuracy(NamedTuple):
    """What a classifier makes of features."""

    name: str
    size: int  # numbers an example
    linear: (
        float  # test error of logistic regression, its penalty chosen on training examples held out
    )
    nearest: float  # test error of the nearest training example


def compare_features(
    models: dict[str, Autoencoder], train: Split, test: Split, limit: int = 5000
) -> list[FeatureAccuracy]:
    """Codes beside raw values and, for each size of code, as many principal components; `limit` examples to train with.

    DataError where there are no classes to tell apart.
    """
    if train.y is None or test.y is None:
        raise DataError(
            "Features are judged by the classes that they tell apart, and these data have none."
        )
    rows = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(0))[:limit]
    x, y = train.x[rows], train.y[rows]
    ways = {}
    for size in sorted({model.config.latent_dim for model in models.values()}):
        ways |= build_baseline_indexes(x, test.x, size)
    ways |= {
        name: (encode_in_chunks(model, x), encode_in_chunks(model, test.x))
        for name, model in models.items()
    }
    return [judge_features(name, a, y, b, test.y) for name, (a, b) in ways.items()]


def judge_features(
    name: str, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor
) -> FeatureAccuracy:
    nearest = 1 - score_retrieval(z, y, test_z, test_y, k=1).first
    return FeatureAccuracy(name, z.shape[1], fit_linear_probe(z, y, test_z, test_y).error, nearest)


class MapTrust(NamedTuple):
    """How far a map can be trusted."""

    trustworthiness: (
        float  # 1: all neighbours on the map are neighbours in truth (Venna & Kaski, 2001)
    )
    accuracy: (
        float | None
    )  # of the majority of the nearest other points on the map, where there are classes
    points: int  # by which it was judged


def measure_map_trust(x: Tensor, placed: Tensor, y: Tensor | None = None) -> MapTrust:
    """Of positions `placed` (N, 2 or 3) for examples, codes or rows x (N, ...) with classes (N,)."""
    from sklearn.manifold import trustworthiness

    if len(x) != len(placed) or len(x) <= 2 * TRUST_NEIGHBOURS:
        raise DataError(
            f"A map needs more than {2 * TRUST_NEIGHBOURS} points, one for each of {len(x)}; got {len(placed)}."
        )
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:TRUST_ROWS]
    flat, at = as_float(x[rows]).flatten(1).numpy(), placed[rows].numpy()
    accuracy = None if y is None else leave_one_out_accuracy(placed[rows], y[rows])
    return MapTrust(
        float(trustworthiness(flat, at, n_neighbors=TRUST_NEIGHBOURS)), accuracy, len(rows)
    )


def leave_one_out_accuracy(z: Tensor, y: Tensor, k: int = TRUST_NEIGHBOURS) -> float:
    """Accuracy of the majority among the k nearest other points of z (N, d), with classes y (N,)."""
    from sklearn.neighbors import KNeighborsClassifier

    near = KNeighborsClassifier(k).fit(z.numpy(), y.numpy()).kneighbors(return_distance=False)
    votes = np.eye(int(y.max()) + 1)[y.numpy()[near]].sum(1)
    return float((votes.argmax(1) == y.numpy()).mean())


def compute_pca_errors(train: Tensor, test: Tensor) -> Tensor:
    """Test SE, summed over values, of 0, 1, 2, ... principal components of train (N, ...): (min(N, d) + 1,)."""
    train, test = (as_float(part).flatten(1).double() for part in (train, test))
    mean = train.mean(0)
    basis = (
        torch.linalg.svd(train - mean, full_matrices=False).Vh
        if len(train) < train.shape[1]
        else principal_directions(train)
    )
    explained = ((test - mean) @ basis.T).square().mean(0).cumsum(0)
    total = (test - mean).square().sum(1).mean()
    return (total - torch.cat([explained.new_zeros(1), explained])).clamp(min=0)


def principal_directions(x: Tensor) -> Tensor:
    """Principal directions of x (N, d), the strongest first: (d, d)."""
    return torch.linalg.eigh(torch.cov(x.T, correction=0)).eigenvectors.flip(1).T
