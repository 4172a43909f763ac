"""Sparse codes in which k units an example are on, on average: more for complex examples."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code
from aecore.model.parts.bottlenecks.dead_units import AuxiliaryWeight, DeadAfter, DeadUnits

MOMENTUM = 0.99  # of the running threshold


class BatchTopK(BottleneckBase):
    """z_i = a_i where a_i > 0 is among the k * N largest of the batch's N codes, else 0.

    At test time, where an example must not depend on others, z_i = a_i where a_i is above a
    threshold: the running mean of the smallest value that was kept in a batch.
    Bussmann et al. (2024), BatchTopK Sparse Autoencoders.
    """

    kind: Literal["batch_top_k"] = "batch_top_k"
    k: int = Field(
        25,
        ge=1,
        le=16384,
        description="How many code units are on for an example, on average.",
        json_schema_extra=LIVE,
    )
    auxiliary: AuxiliaryWeight = 1 / 32
    dead_after: DeadAfter = 200

    menu_position: ClassVar[int] = 6
    is_sparse: ClassVar[bool] = True

    @property
    def auxiliary_weight(self) -> float:
        return self.auxiliary

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return BatchTopKBottleneck(self, latent_dim)

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Let at most a quarter of the units be on."""
        return self.model_copy(update={"k": min(self.k, max(1, latent_dim // 4))})


class BatchTopKBottleneck(Bottleneck):
    """Keeps the largest values of a batch in training, and those above a threshold otherwise."""

    threshold: Tensor  # (), zero before the first step
    head_scale = 0.1  # for the same reason as in top_k

    def __init__(self, options: BatchTopK, latent_dim: int):
        super().__init__(latent_dim)
        self.retune(options)
        self.register_buffer("threshold", torch.zeros(()))
        self.dead_units = DeadUnits(latent_dim, options.dead_after) if options.auxiliary else None

    def retune(self, options: BottleneckBase) -> None:
        assert isinstance(options, BatchTopK)
        self.k = min(options.k, self.latent_dim)

    def forward(self, h: Tensor, samples: int) -> Code:
        z = self.keep_largest(h) if self.training else self.snap(h)
        return Code(z[None], z.new_zeros(1, len(z)), z)

    def keep_largest(self, h: Tensor) -> Tensor:
        """Return the codes (N, latent_dim) of a training step, and follow the threshold."""
        positive = h.relu().flatten()
        values, places = positive.topk(self.k * len(h))
        z = torch.zeros_like(positive).scatter(0, places, values).view_as(h)
        self.follow_threshold(values.detach())
        if self.dead_units is not None:
            self.dead_units.count_step(z)
        return z

    @torch.no_grad()
    def follow_threshold(self, kept: Tensor) -> None:
        """Move the threshold towards the smallest of the values kept that is above zero."""
        lowest = kept.masked_fill(kept <= 0, torch.inf).amin()
        lowest = lowest.where(lowest.isfinite(), self.threshold)
        moved = self.threshold.lerp(lowest, 1 - MOMENTUM)
        self.threshold.copy_(moved.where(self.threshold > 0, lowest))

    def select_dead_code(self, h: Tensor) -> Tensor | None:
        if self.dead_units is None or not self.training:
            return None
        return self.dead_units.select_code(h.relu(), h)

    def snap(self, z: Tensor) -> Tensor:
        return z * (z > self.threshold)

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "threshold", "threshold": self.threshold.expand(self.latent_dim)}]
