"""Sparse codes in which only the k largest units differ from zero."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase


class TopK(BottleneckBase):
    """z_i = a_i where |a_i| is among the k largest, else 0; gradient through the kept ones alone.

    `by="value"` keeps the k largest a_i themselves, as in Makhzani & Frey (2013), k-Sparse
    Autoencoders. Exactly k survive, also among ties and outside training. A small k from the first
    step on leaves units that are never among the k; the paper lets k fall (section 4.2.1): `start`.
    """

    kind: Literal["top_k"] = "top_k"
    k: int = Field(
        25,
        ge=1,
        le=16384,
        description="Code units that stay active for each example; the others are set to zero.",
    )
    start: int | None = Field(
        None,
        ge=1,
        le=16384,
        description="k at the start of the training; it falls to k in its first half. A small k "
        "from the first step on can leave units that are never used.",
    )
    by: Literal["magnitude", "value"] = Field(
        "magnitude",
        description="Keep the units of the largest absolute values or, as in the paper, of the "
        "largest values.",
    )

    menu_position: ClassVar[int] = 2
    is_sparse: ClassVar[bool] = True

    def build(self, latent_dim: int) -> Bottleneck:
        return TopKBottleneck(self, latent_dim)

    def fit_latent_dim(self, latent_dim: int) -> Self:
        """Let at most a quarter of the units stay on."""
        return self.model_copy(update={"k": min(self.k, max(1, latent_dim // 4))})


class TopKBottleneck(Bottleneck):
    """Keeps k units of each example; `anneal` lets k fall from `start` to its final value."""

    # Initial weights near zero, as in the paper: units with large random weights would be among the
    # k largest for every example, and the others would never learn.
    head_scale = 0.1

    def __init__(self, options: TopK, latent_dim: int):
        super().__init__(latent_dim)
        self.k = self.final_k = min(options.k, latent_dim)
        self.first_k = min(options.start or options.k, latent_dim)
        self.by_magnitude = options.by == "magnitude"

    def snap(self, z: Tensor) -> Tensor:
        ranked = z.abs() if self.by_magnitude else z
        largest = ranked.topk(self.k, dim=1).indices
        return torch.zeros_like(z).scatter(1, largest, z.gather(1, largest))

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "top_k", "k": self.k, "magnitude": self.by_magnitude}]

    def anneal(self, progress: float) -> bool:
        self.k = round(self.first_k + (self.final_k - self.first_k) * min(1.0, 2 * progress))
        return self.k != self.final_k

    @property
    def annealed_value(self) -> int:
        return self.k
