"""The Gaussian whose variance is always the best for the errors: no weight to choose for a VAE.

The shared variance of a set in closed form (Rybkin et al., 2021, Simple and Effective VAE Training
with Calibrated Decoders).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from aecore.model.parts.likelihoods.base import LikelihoodBase
from aecore.model.parts.likelihoods.levels import compute_level_nats
from aecore.model.parts.likelihoods.location import OUTPUT_HELP, Output
from aecore.model.parts.likelihoods.spread import SPREAD_HELP, SpreadLikelihood, SpreadUnit


class Calibrated(LikelihoodBase):
    """-log p(x|z) = d/2 ln(2 pi v) + |x - x^|^2 / (2 v),  v = mean of (x - x^)^2 in the batch.

    The loss is d/2 ln v and a constant: halving the error counts the same at every size, so that
    the KL of a VAE is neither drowned nor left without effect. Outside of training v is its mean
    over the last batches, which is stored with the weights.
    """

    kind: Literal["calibrated"] = "calibrated"
    variance: SpreadUnit = Field("shared", description=f"Noise variance: {SPREAD_HELP}")
    output: Output = Field("linear", description=OUTPUT_HELP)

    menu_position: ClassVar[int] = 3
    has_levels: ClassVar[bool] = True

    def build(self, features: int, channels: int = 1) -> CalibratedGaussian:
        return CalibratedGaussian(self.output, self.variance, features, channels)


class CalibratedGaussian(SpreadLikelihood):
    """The spread is the variance."""

    def deviate(self, errors: Tensor) -> Tensor:
        return errors.square()

    def weigh(self, deviations: Tensor, cells: Tensor | float, spread: Tensor) -> Tensor:
        return deviations / (2 * spread) + cells / 2 * (2 * math.pi * spread).log()

    def noise_variance(self, logits: Tensor) -> Tensor | float:
        return self.list_spreads(logits)

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        deviation = self.spread_over_cells().sqrt()
        return compute_level_nats(torch.special.log_ndtr, x, self.mean(logits), deviation)

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + self.spread_over_cells().sqrt() * torch.randn_like(mean)
