"""A density of codes: the linear map that whitens them, and a distribution of whitened codes."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.code_fitting import check_codes, explain_wild_codes, fit_pca
from aecore.errors import ConfigError

MODELLED_DIRECTIONS = 64  # the leading ones of a code; the others are taken for Gaussian
WHITENED_DIRECTIONS = 512  # with a variance each; beyond them all directions share one
SHRINKAGE_COLUMNS = 1024  # of a code, from which the shrinkage is told
MAX_FITTED_VALUES = 20_000_000  # fewer rows of wide codes
CODE_BLUR = 0.05  # deviations: no density is sharper, for codes that repeat have none of their own
LOG_TWO_PI = float(np.log(2 * np.pi))


class Whitening(NamedTuple):
    """The map between codes (N, d) and coordinates (N, d) of mean 0 and variance 1.

    The first k coordinates lie along the principal axes, the others in what is orthogonal to them.
    """

    mean: np.ndarray  # (d,)
    axes: np.ndarray  # (k, d), orthonormal
    scales: np.ndarray  # (k,) deviations along the axes
    rest: float  # deviation in each direction beyond the axes

    @property
    def log_volume(self) -> float:
        """The logarithm of how much codes are larger than their coordinates, in volume."""
        beyond = len(self.mean) - len(self.scales)
        return float(np.log(self.scales).sum() + beyond * np.log(self.rest))

    def whiten(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns coordinates (N, k) along the axes, and the squares (N,) of all others, summed."""
        centred = codes - self.mean
        along = centred @ self.axes.T
        beyond = np.square(centred).sum(1) - np.square(along).sum(1)
        is_whole = len(self.scales) == len(self.mean)
        squares = np.zeros(len(codes)) if is_whole else beyond.clip(0) / self.rest**2
        return along / self.scales, squares

    def colour(self, along: np.ndarray, beyond: np.ndarray) -> np.ndarray:
        """Returns codes (N, d) of coordinates (N, k), and of noise (N, d) beyond the axes."""
        noise = beyond - (beyond @ self.axes.T) @ self.axes
        return self.mean + (along * self.scales) @ self.axes + self.rest * noise


def choose_fitted_codes(z: Tensor) -> np.ndarray:
    """Returns codes z (N, latent_dim) as float64, evenly chosen ones where they are many and wide.

    CheckpointError for codes that nothing can be fitted to, ConfigError for fewer than two.
    """
    if len(z) < 2:
        raise ConfigError(f"A density is fitted to 2 codes or more, got {len(z)}.")
    rows = min(len(z), max(2, MAX_FITTED_VALUES // z.shape[1]))
    codes = (
        z[torch.linspace(0, len(z) - 1, rows, dtype=torch.float64).long()]
        .numpy()
        .astype(np.float64)
    )
    check_codes(codes)
    return codes


def fit_whitening(codes: np.ndarray) -> Whitening:
    """Fits the mean and the covariance of codes (N, d), shrunk after Ledoit & Wolf (2004).

    Shrinking keeps the covariance sound where codes are wide and examples few: it is drawn towards
    equal variances by as much as lowers its expected error most.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    total, width = float(codes.var(0).sum()), codes.shape[1]
    columns = np.linspace(0, width - 1, min(width, SHRINKAGE_COLUMNS)).astype(int)
    with explain_wild_codes():
        pca = fit_pca(codes, min(width, len(codes) - 1, WHITENED_DIRECTIONS))
        share = ledoit_wolf_shrinkage(codes[:, columns]) if width > 1 else 0.0
    average, kept = total / width, pca.explained_variance_
    floor = 1e-9 * average + 1e-12
    variances = (1 - share) * kept + share * average + floor
    beyond = (1 - share) * max(0.0, total - kept.sum()) / max(1, width - len(kept))
    rest = float(np.sqrt(beyond + share * average + floor))
    return Whitening(pca.mean_, pca.components_, np.sqrt(variances), rest)


class Density:
    """A distribution fitted to codes, to sample from and to score codes with.

    A kind sets its names and writes the last three methods, which are about whitened codes in
    their leading directions; in the others they are taken for Gaussian.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    help: ClassVar[str]

    whitening: Whitening

    def fit(self, z: Tensor, seed: int = 0, whitening: Whitening | None = None) -> Self:
        """Fits to codes z (N, latent_dim), whose `whitening` may be known already.

        CheckpointError for codes that nothing can be fitted to, ConfigError for fewer than two.
        """
        codes = choose_fitted_codes(z)
        self.whitening = whitening or fit_whitening(codes)
        with explain_wild_codes():
            self.fit_leading(self.whitening.whiten(codes)[0][:, :MODELLED_DIRECTIONS], seed)
        return self

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draws n codes (n, latent_dim), the same for the same seed."""
        chance = np.random.default_rng(seed)
        width, count = len(self.whitening.mean), len(self.whitening.scales)
        along = chance.standard_normal((n, count))
        beyond = chance.standard_normal((n, width))
        lead = min(count, MODELLED_DIRECTIONS)
        along[:, :lead] = self.sample_leading(along[:, :lead], seed)
        return torch.from_numpy(self.whitening.colour(along, beyond).astype(np.float32))

    def log_density(self, z: Tensor) -> Tensor:
        """Returns the log density (N,) of codes z (N, latent_dim), in nats."""
        along, squares = self.whitening.whiten(z.numpy().astype(np.float64))
        lead, rest = along[:, :MODELLED_DIRECTIONS], along[:, MODELLED_DIRECTIONS:]
        beyond = len(self.whitening.mean) - along.shape[1]
        values = self.score_leading(lead) + score_standard_normal(rest)
        values += -0.5 * (squares + beyond * LOG_TWO_PI) - self.whitening.log_volume
        return torch.from_numpy(values)

    def fit_leading(self, u: np.ndarray, seed: int) -> None:
        """Fits to whitened codes u (N, k)."""
        raise NotImplementedError

    def sample_leading(self, noise: np.ndarray, seed: int) -> np.ndarray:
        """Draws whitened codes (n, k); noise (n, k) is standard normal."""
        raise NotImplementedError

    def score_leading(self, u: np.ndarray) -> np.ndarray:
        """Returns the log density (N,) of whitened codes u (N, k), in nats."""
        raise NotImplementedError


def score_standard_normal(u: np.ndarray) -> np.ndarray:
    """Returns ln N(u; 0, I), (N,), of u (N, k), in nats."""
    return -0.5 * (np.square(u).sum(1) + u.shape[1] * LOG_TWO_PI)
