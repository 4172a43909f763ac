"""Maximum mean discrepancy: the distance between the codes of a batch and draws of the prior."""

from __future__ import annotations

from functools import reduce
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from aecore.model.parts.penalties.base import Pass, PenaltyBase, Weight


class Mmd(PenaltyBase):
    """weight * MMD^2(q(z), N(0, I)), unbiased, with the multi-scale inverse multiquadratic kernel

    k(a, b) = sum_s C_s / (C_s + |a - b|^2),  C_s = 2 d s,  s in {.1, .2, .5, 1, 2, 5, 10}
    (Tolstikhin et al., 2018, Wasserstein Auto-Encoders, algorithm 2).
    """

    kind: Literal["mmd"] = "mmd"
    weight: Weight = Field(
        200.0,
        description="Weight of the distance between the codes and the prior (MMD): a larger one "
        "draws the codes closer to N(0, I).",
    )

    menu_position: ClassVar[int] = 5
    matches_prior: ClassVar[bool] = True
    needs_large_batch: ClassVar[bool] = True

    def __call__(self, batch: Pass) -> Tensor:
        return self.weight * estimate_mmd(batch.z, torch.randn_like(batch.z))


def estimate_mmd(z: Tensor, prior: Tensor) -> Tensor:
    """Return the unbiased estimate of MMD^2 of two samples (n, d); it can be negative."""
    n = len(z)
    if n < 2:
        return z.new_zeros(())

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        distance = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
        scales = (2 * z.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
        return reduce(torch.add, (c / (c + distance) for c in scales))

    def off_diagonal_mean(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / (n * (n - 1))

    within = off_diagonal_mean(kernel(z, z)) + off_diagonal_mean(kernel(prior, prior))
    return within - 2 * kernel(z, prior).mean()
