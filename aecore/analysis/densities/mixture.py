"""A Gaussian mixture of codes (Ghosh et al., 2020)."""

from __future__ import annotations

from copy import copy

import numpy as np

from aecore.analysis.densities.base import CODE_BLUR, Density

# components of the density for models without a prior (Ghosh et al., 2020, RAE, section 4)
MIXTURE_COMPONENTS = 10
CODES_PER_COMPONENT = 20


class MixtureDensity(Density):
    """A mixture of up to ten Gaussians, each with a full covariance."""

    kind = "mixture"
    label = "Gaussian mixture"
    help = "Up to ten Gaussians with full covariances (Ghosh et al., 2020): clusters of codes."

    def fit_leading(self, u: np.ndarray, seed: int) -> None:
        from sklearn.mixture import GaussianMixture

        count = max(1, min(MIXTURE_COMPONENTS, len(u) // CODES_PER_COMPONENT))
        self.mixture = GaussianMixture(count, reg_covar=CODE_BLUR**2, random_state=seed).fit(u)

    def sample_leading(self, noise: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.utils import check_random_state

        mixture = copy(self.mixture)  # the fitted one is shared by all visitors
        mixture.random_state = check_random_state(seed)
        drawn, _ = mixture.sample(len(noise))
        return drawn[check_random_state(seed).permutation(len(noise))]  # drawn by component

    def score_leading(self, u: np.ndarray) -> np.ndarray:
        return self.mixture.score_samples(u)
