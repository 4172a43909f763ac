"""The Gaussian of one noise variance, which is set or learned."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.likelihoods.base import Likelihood, LikelihoodBase, sum_cells
from aecore.model.parts.likelihoods.levels import compute_level_nats
from aecore.model.parts.likelihoods.location import OUTPUT_HELP, LocationLikelihood, Output


class Gaussian(LikelihoodBase):
    """-log p(x|z) = |x - x^|^2 / (2 variance) + d/2 ln(2 pi variance).

    At the default variance of 1/2 the training loss is the squared error itself.
    """

    kind: Literal["gaussian"] = "gaussian"
    variance: float = Field(
        0.5,
        gt=0,
        le=1e6,
        description="Noise variance of the decoder. A smaller one gives the reconstruction more "
        "weight; 0.5 makes the loss the squared error.",
    )

    output: Output = Field("linear", description=OUTPUT_HELP)
    learned: bool = Field(
        False, description="Learn the noise variance, starting from the value above."
    )

    menu_position: ClassVar[int] = 1
    has_levels: ClassVar[bool] = True

    def build(self, features: int, channels: int = 1) -> Likelihood:
        return LearnedGaussian(self) if self.learned else FixedGaussian(self)


class FixedGaussian(LocationLikelihood):
    """Squared error / (2 variance), without the constant, which has no gradient."""

    def __init__(self, options: Gaussian):
        super().__init__(options.output)
        self.variance = options.variance

    def noise_variance(self, logits: Tensor) -> Tensor | float:
        return self.variance

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return sum_cells((self.mean(logits) - x).square(), x, observed) / (2 * self.variance)

    def constant(self, features: float | Tensor) -> float | Tensor:
        return features / 2 * math.log(2 * math.pi * self.variance)

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        deviation = math.sqrt(self.variance)
        return compute_level_nats(torch.special.log_ndtr, x, self.mean(logits), deviation)

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + math.sqrt(self.variance) * torch.randn_like(mean)


class LearnedGaussian(FixedGaussian):
    """The whole negative log density: with the variance learned, nothing in it is constant."""

    def __init__(self, options: Gaussian):
        super().__init__(options)
        self.log_variance = nn.Parameter(torch.tensor(math.log(options.variance)))

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        cells = x[0].numel() if observed is None else observed.flatten(1).sum(1, dtype=x.dtype)
        normaliser = cells / 2 * (math.log(2 * math.pi) + self.log_variance)
        errors = sum_cells((self.mean(logits) - x).square(), x, observed)
        return errors / (2 * self.log_variance.exp()) + normaliser

    def constant(self, features: float | Tensor) -> float | Tensor:
        return 0.0

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        deviation = (0.5 * self.log_variance).exp()
        return compute_level_nats(torch.special.log_ndtr, x, self.mean(logits), deviation)

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + (0.5 * self.log_variance).exp() * torch.randn_like(mean)
