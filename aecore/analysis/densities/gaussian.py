"""A Gaussian of codes with a full covariance."""

from __future__ import annotations

import numpy as np

from aecore.analysis.densities.base import Density, score_standard_normal


class GaussianDensity(Density):
    """A Gaussian, whose covariance is shrunk after Ledoit & Wolf (2004)."""

    kind = "gaussian"
    label = "Gaussian"
    help = "One Gaussian with a full covariance, shrunk after Ledoit & Wolf (2004)."

    def fit_leading(self, u: np.ndarray, seed: int) -> None:
        """Whitened codes have nothing left to fit."""

    def sample_leading(self, noise: np.ndarray, seed: int) -> np.ndarray:
        return noise

    def score_leading(self, u: np.ndarray) -> np.ndarray:
        return score_standard_normal(u)
