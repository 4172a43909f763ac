"""The layout of logits of a mixture at each pixel: one tensor, and its named parts."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_CONDITIONED = 4  # channels, up to which the mean of each moves with those before it
MIN_LOG_SCALE, MAX_LOG_SCALE = -8.0, 5.0  # from a tenth of a level to flat
START_LOG_SCALE = -2.5
START_REACH = 0.2  # of the first means about the pixel's: equal components would stay equal


class MixtureLogits(NamedTuple):
    """The parameters of K components for pixels of C channels."""

    log_weights: Tensor  # (..., K, H, W), whose exponentials sum to 1
    means: Tensor  # (..., K, C, H, W)
    log_scales: Tensor  # (..., K, C, H, W)
    slopes: Tensor  # (..., K, pairs, H, W): of each channel's mean with those before it

    def shift_means(self, x: Tensor) -> Tensor:
        """Return the mean of each channel, given those of x (..., C, H, W) before it."""
        gaps = (x.unsqueeze(-4) - self.means).unbind(-3)
        shifted = list(self.means.unbind(-3))
        for pair, slope in zip(list_pairs(len(gaps)), self.slopes.unbind(-3), strict=True):
            shifted[pair[1]] = shifted[pair[1]] + slope * gaps[pair[0]]
        return torch.stack(shifted, dim=-3)

    def draw_component(self) -> MixtureLogits:
        """Return the parameters of one component for each pixel, drawn by the weights: K = 1."""
        weights = self.log_weights.movedim(-3, -1)
        drawn = torch.distributions.OneHotCategorical(logits=weights).sample().movedim(-1, -3)
        parts = (self.means, self.log_scales, self.slopes)
        kept = ((drawn.unsqueeze(-3) * part).sum(-4, keepdim=True) for part in parts)
        return MixtureLogits(torch.zeros_like(drawn[..., :1, :, :]), *kept)


def list_pairs(channels: int) -> list[tuple[int, int]]:
    """Return which channels the mean of another moves with, as (earlier, later)."""
    return list(combinations(range(channels), 2)) if channels <= MAX_CONDITIONED else []


def count_mixture_logits(components: int, channels: int) -> int:
    """Return how many values a pixel has: 10 for each component in colour, 3 in grey."""
    return components * (1 + 2 * channels + len(list_pairs(channels)))


def split_mixture_logits(logits: Tensor, components: int, channels: int) -> MixtureLogits:
    """Return the parameters that logits (..., L, H, W) stand for."""
    pairs = len(list_pairs(channels))
    sizes = [components * count for count in (1, channels, channels, pairs)]
    weights, means, scales, slopes = logits.split(sizes, dim=-3)
    log_scales = MIN_LOG_SCALE + F.softplus(scales - MIN_LOG_SCALE)
    return MixtureLogits(
        weights.log_softmax(-3),
        means.unflatten(-3, (components, channels)),
        log_scales.clamp(max=MAX_LOG_SCALE).unflatten(-3, (components, channels)),
        slopes.tanh().unflatten(-3, (components, pairs)),
    )


def start_mixture_logits(mean: Tensor, components: int) -> Tensor:
    """Return logits (..., L, H, W) of mixtures with this mean (..., C, H, W)."""
    pairs = len(list_pairs(mean.shape[-3]))
    reach = START_REACH if components > 1 else 0.0
    offsets = torch.linspace(-reach, reach, components).to(mean)[:, None, None, None]
    means = (mean.unsqueeze(-4) + offsets).flatten(-4, -3)
    rest = mean.new_zeros(*mean.shape[:-3], components * (1 + pairs), *mean.shape[-2:])
    weights, slopes = rest.split([components, components * pairs], dim=-3)
    return torch.cat([weights, means, torch.full_like(means, START_LOG_SCALE), slopes], dim=-3)
