"""Probabilities of pixels as the 256 levels of 8 bits, from densities that are continuous.

A level's probability is that of the values nearest to it, half a level to either side; black and
white have all that lies beyond. The 256 sum to one, so that bits of several densities compare.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WHITE = 255.0  # the highest level
LEAST_GAP = 1e-12  # between two logarithms, of which one is a sum that has the other in it


def compute_level_nats(
    log_distribution: Callable[[Tensor], Tensor], x: Tensor, location: Tensor, scale: Tensor | float
) -> Tensor:
    """Return -ln P of the levels nearest to x (N, *shape), summed over each example: (..., N).

    `log_distribution` is the logarithm of the distribution function of a density that is symmetric
    about 0. `location` (..., N, *shape) and `scale` are in the units of x, where white is 1.
    """
    lower, upper = find_level_bounds(x.double())
    lower, upper = (lower - location) / scale, (upper - location) / scale
    is_above = lower > 0  # there the mirror image has more digits
    lower, upper = torch.where(is_above, -upper, lower), torch.where(is_above, -lower, upper)
    log_upper, log_lower = log_distribution(upper), log_distribution(lower)
    gap = (log_upper - log_lower).clamp(min=LEAST_GAP)
    nats = -(log_upper + (-(-gap).expm1()).log())
    return nats.flatten(-x.dim() + 1).sum(-1).to(x.dtype)


def find_level_bounds(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the level nearest to each x begins and ends; infinity beyond black and white."""
    level = (x * WHITE).round().clamp(0, WHITE)
    lower, upper = (level - 0.5) / WHITE, (level + 0.5) / WHITE
    return (
        lower.masked_fill(level == 0, -torch.inf),
        upper.masked_fill(level == WHITE, torch.inf),
    )
