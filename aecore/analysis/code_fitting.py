"""Checks of codes and their principal components, for every method that is fitted to codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from aecore.errors import CheckpointError

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

MAX_CODE = 1e15  # squares of larger codes, summed, leave the range of float32


def check_codes(z: np.ndarray) -> None:
    """Raises CheckpointError where codes (N, latent_dim) are not finite, or too large to map."""
    if not (np.abs(z) < MAX_CODE).all():
        raise CheckpointError(
            "The codes overflow: the model's weights are unsound. Train it again."
        )


@contextmanager
def explain_wild_codes() -> Iterator[None]:
    """Turns the error of a method that cannot be fitted to codes into a CheckpointError."""
    try:
        yield
    except (np.linalg.LinAlgError, ValueError) as error:
        raise CheckpointError(
            "The codes spread too wildly to be fitted: the model's weights are unsound. "
            "Train it again."
        ) from error


def fit_pca(values: np.ndarray, count: int) -> PCA:
    """Fits at most `count` principal components to rows (N, d).

    Between its steps by QR: SciPy's LU lets no other thread of the server do anything meanwhile.
    """
    from sklearn.decomposition import PCA

    count = min(count, *values.shape)
    return PCA(count, random_state=0, power_iteration_normalizer="QR").fit(values)
