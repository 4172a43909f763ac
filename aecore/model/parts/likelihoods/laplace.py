"""Laplace's density: the absolute error, with a scale that is fitted to it."""

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


class Laplace(LikelihoodBase):
    """-log p(x|z) = |x - x^|_1 / b + d ln(2 b),  b = mean of |x - x^| in the batch.

    The L1 loss: large errors count less than with squares, and edges of pictures stay sharper.
    """

    kind: Literal["laplace"] = "laplace"
    scale: SpreadUnit = Field("shared", description=f"Scale of the noise: {SPREAD_HELP}")
    output: Output = Field("linear", description=OUTPUT_HELP)

    menu_position: ClassVar[int] = 4
    has_levels: ClassVar[bool] = True

    def build(self, features: int, channels: int = 1) -> LaplaceLikelihood:
        return LaplaceLikelihood(self.output, self.scale, features, channels)


class LaplaceLikelihood(SpreadLikelihood):
    """The spread is the scale b; the variance is 2 b^2."""

    def deviate(self, errors: Tensor) -> Tensor:
        return errors.abs()

    def weigh(self, deviations: Tensor, cells: Tensor | float, spread: Tensor) -> Tensor:
        return deviations / spread + cells * (2 * spread).log()

    def noise_variance(self, logits: Tensor) -> Tensor | float:
        return 2 * self.list_spreads(logits).square()

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        return compute_level_nats(
            log_laplace_distribution, x, self.mean(logits), self.spread_over_cells()
        )

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return torch.distributions.Laplace(mean, self.spread_over_cells()).sample()


def log_laplace_distribution(t: Tensor) -> Tensor:
    """Return ln P(T <= t) of the standard Laplace density."""
    below = t.clamp(max=0) - math.log(2)
    above = (-0.5 * (-t.clamp(min=0)).exp()).log1p()
    return torch.where(t < 0, below, above)
