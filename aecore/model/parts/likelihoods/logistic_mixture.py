"""A mixture of discretised logistic densities over the 256 levels of a pixel."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from aecore.model.parts.likelihoods.base import Likelihood, LikelihoodBase
from aecore.model.parts.likelihoods.levels import WHITE
from aecore.model.parts.likelihoods.mixture_logits import (
    MixtureLogits,
    count_mixture_logits,
    split_mixture_logits,
    start_mixture_logits,
)

LEAST_CHANCE = 1e-6  # of a value drawn from a tail
LOGISTIC_VARIANCE = math.pi**2 / 3  # at a scale of 1


class LogisticMixture(LikelihoodBase):
    """P(x|z) = sum_k w_k prod_c [F((x_c + 1/2 - m) / s) - F((x_c - 1/2 - m) / s)],  F the sigmoid.

    For each pixel the decoder gives k weights, and of each component means m, scales s and, between
    up to 4 channels, coefficients: the mean of green moves with red, that of blue with both, as in
    Salimans et al. (2017, PixelCNN++), here by their distances from their own means. Black and
    white have the tails. A loss in whole nats of the levels, so that nothing is to be weighted.
    """

    kind: Literal["logistic_mixture"] = "logistic_mixture"
    components: int = Field(
        5,
        ge=1,
        le=20,
        description="Densities in the mixture of each pixel; the paper has 5 or 10.",
    )

    menu_position: ClassVar[int] = 5
    needs_unit_interval: ClassVar[bool] = True
    takes_tables: ClassVar[bool] = False
    allows_tied: ClassVar[bool] = False
    has_levels: ClassVar[bool] = True

    def build(self, features: int, channels: int = 1) -> LogisticMixtureLikelihood:
        return LogisticMixtureLikelihood(self.components, channels)

    def count_logits(self, features: int, channels: int = 1) -> int:
        return features // channels * count_mixture_logits(self.components, channels)


class LogisticMixtureLikelihood(Likelihood):
    """Logits (..., L, H, W), L values a pixel; x (N, C, H, W) in [0, 1]."""

    def __init__(self, components: int, channels: int):
        super().__init__()
        self.components, self.channels = components, channels

    def split(self, logits: Tensor) -> MixtureLogits:
        """Return the parameters of each component, (..., K, H, W) and (..., K, C, H, W)."""
        return split_mixture_logits(logits, self.components, self.channels)

    def mean(self, logits: Tensor) -> Tensor:
        """Return the mean of the mixture, (..., C, H, W)."""
        mixture = self.split(logits)
        return (mixture.log_weights.exp().unsqueeze(-3) * mixture.means).sum(-4)

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        sizes = {"components": self.components, "channels": self.channels}
        return [{"op": "mixture", **sizes, "pixels": features // self.channels}]

    def logits(self, mean: Tensor) -> Tensor:
        return start_mixture_logits(mean, self.components)

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return those of the means, which are the same for each component; the rest is zero."""
        pixels = changes.shape[0] // self.channels
        first, count = self.components * pixels, self.components * len(changes)
        weight = x.new_zeros(len(bias), z.shape[1])
        weight[first : first + count] = changes.repeat(self.components, 1)
        return weight, bias

    def find_precisions(self, logits: Tensor) -> Tensor:
        """Return the precision of the start for the first component's means; zero elsewhere.

        All components have the same directions: one stands for the mixture.
        """
        pixels = len(logits) // count_mixture_logits(self.components, self.channels)
        mixture = self.split(logits.unflatten(0, (-1, pixels, 1)))
        variance = LOGISTIC_VARIANCE * (2 * mixture.log_scales[0].flatten()).exp()
        precisions = torch.zeros_like(logits)
        first = self.components * pixels
        precisions[first : first + self.channels * pixels] = 1 / variance
        return precisions

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        mixture = self.split(logits)
        log_p = compute_log_levels(x.unsqueeze(-4), mixture.shift_means(x), mixture.log_scales)
        if observed is not None:
            log_p = log_p.masked_fill(~observed.unsqueeze(-4), 0)
        of_pixels = (log_p.sum(-3) + mixture.log_weights).logsumexp(-3)
        return -of_pixels.flatten(-2).sum(-1)

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        return self.loss(logits, x)

    def sample(self, logits: Tensor) -> Tensor:
        drawn = self.split(logits).draw_component()
        uniform = torch.rand_like(drawn.means).clamp(LEAST_CHANCE, 1 - LEAST_CHANCE)
        noise = (drawn.log_scales.exp() * uniform.logit()).squeeze(-4)
        x = drawn.means.squeeze(-4).clone()
        for channel in range(self.channels):  # each follows those before it
            values = drawn.shift_means(x).squeeze(-4) + noise
            x[..., channel, :, :] = round_to_level(values[..., channel, :, :])
        return x


def compute_log_levels(x: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """Return ln of the probability of the level nearest to each x under a logistic density.

    With a and b the ends of the level, sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b)
    (1 - e^(b - a)), of which no factor loses digits however narrow or far the density is.
    """
    level = (x * WHITE).round().clamp(0, WHITE)
    inverse, half = (-log_scales).exp(), 0.5 / WHITE
    distance = level / WHITE - means
    below = F.logsigmoid((distance + half) * inverse).masked_fill(level == WHITE, 0)
    above = F.logsigmoid((half - distance) * inverse).masked_fill(level == 0, 0)
    width = (-(-2 * half * inverse).expm1()).log()
    is_end = (level == 0) | (level == WHITE)
    return below + above + width.masked_fill(is_end, 0)


def round_to_level(x: Tensor) -> Tensor:
    """Return the nearest of the 256 levels, in [0, 1]."""
    return (x * WHITE).round().clamp(0, WHITE) / WHITE
