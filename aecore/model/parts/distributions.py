"""The distributions of single cells: what a value costs in nats."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_LOG_RATE = 20.0  # of a count: beyond it, a Poisson's rate grows no more


def bound_spread(spread: Tensor) -> Tensor:
    """Return the scale of each number, away from a pole of the density."""
    return F.softplus(spread) + 1e-3


def bound_student_shape(spread: Tensor, freedom: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and df, away from a pole of the density and from infinite variance."""
    return bound_spread(spread), 3 + F.softplus(freedom)


def compute_spread_losses(
    location: Tensor, spread: Tensor, freedom: Tensor | None, x: Tensor
) -> Tensor:
    """Return the nats of numbers x (N, d) with these spreads: Student's t, without freedom normal.

    Like `location`, (..., N, d).
    """
    if freedom is not None:
        return compute_student_losses(location, spread, freedom, x)
    scale = bound_spread(spread)
    return ((x - location) / scale).square() / 2 + scale.log() + math.log(2 * math.pi) / 2


def draw_numbers(location: Tensor, spread: Tensor, freedom: Tensor | None) -> Tensor:
    """Draw numbers of these distributions, like `location`."""
    if freedom is None:
        return location + bound_spread(spread) * torch.randn_like(location)
    scale, df = bound_student_shape(spread, freedom)
    return torch.distributions.StudentT(df, location, scale).sample()


def compute_student_losses(location: Tensor, spread: Tensor, freedom: Tensor, x: Tensor) -> Tensor:
    """Return -ln St(x; location, scale, df) of each cell, like `location` (..., N, d)."""
    scale, df = bound_student_shape(spread, freedom)
    normaliser = (
        torch.lgamma(df / 2) - torch.lgamma((df + 1) / 2) + 0.5 * (df * math.pi).log() + scale.log()
    )
    distance = ((x - location) / scale).square()
    return normaliser + (df + 1) / 2 * (distance / df).log1p()


def compute_poisson_losses(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return -ln p of whole numbers (N, d) at these log rates (..., N, d)."""
    return log_rate.exp() - counts * log_rate + torch.lgamma(counts + 1)


def compute_negative_binomial_losses(
    log_rate: Tensor, log_dispersion: Tensor, counts: Tensor
) -> Tensor:
    """Return -ln p of whole numbers (N, d) of variance rate + rate^2 / dispersion: (..., N, d)."""
    size = log_dispersion.exp()
    log_total = torch.logaddexp(log_rate, log_dispersion)
    chances = size * (log_dispersion - log_total) + counts * (log_rate - log_total)
    ways = torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
    return -(ways + chances)


def draw_counts(rate: Tensor, log_dispersion: Tensor | None) -> Tensor:
    """Draw whole numbers of these rates (..., d): Poisson, or negative binomial."""
    if log_dispersion is not None:
        size = log_dispersion.exp().expand_as(rate)
        rate = torch.distributions.Gamma(size, size / rate.clamp(min=1e-9)).sample()
    return torch.poisson(rate)


def make_steps(ranks: int) -> nn.Parameter:
    """Return what the cut points between so many ordered categories are made of, evenly spaced."""
    steps = torch.full((max(1, ranks - 1),), math.log(math.e - 1))  # softplus makes it 1
    steps[0] = 1 - max(1, ranks - 1) / 2 - 0.5
    return nn.Parameter(steps)


def make_cuts(steps: Tensor) -> Tensor:
    """Return ascending cut points: the first value, then steps that softplus makes positive."""
    return torch.cat([steps[:1], steps[:1] + F.softplus(steps[1:]).cumsum(0)])


def compute_rank_losses(location: Tensor, rank: Tensor, cuts: Tensor) -> Tensor:
    """Return -ln p of ranks (N,) where P(rank > k) = sigmoid(location - cut_k): (..., N)."""
    k = rank.long()
    far = cuts.new_full((1,), 1e4)
    bounds = torch.cat([-far, cuts, far])
    below, above = location - bounds[k], location - bounds[k + 1]
    # ln (sigmoid(below) - sigmoid(above)), stable where both are near 0 or 1
    gap = (below - above).clamp(min=1e-6)
    return -(F.logsigmoid(below) + F.logsigmoid(-above) + torch.log(-torch.expm1(-gap)))
