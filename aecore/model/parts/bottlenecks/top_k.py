"""Sparse codes in which only the k largest units differ from zero."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field
from torch import Tensor

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code
from aecore.model.parts.bottlenecks.dead_units import (
    AuxiliaryWeight,
    DeadAfter,
    DeadUnits,
    keep_highest,
)


class TopK(BottleneckBase):
    """z_i = a_i where |a_i| is among the k largest, else 0; gradient through the kept ones alone.

    `by="value"` keeps the k largest a_i themselves, as in Makhzani & Frey (2013), k-Sparse
    Autoencoders. Exactly k survive, also among ties and outside training. A small k from the first
    step on leaves units that are never among the k; the paper lets k fall (section 4.2.1): `start`.
    Another cure is the auxiliary loss of Gao et al. (2024), by which dead units learn: `auxiliary`.
    """

    kind: Literal["top_k"] = "top_k"
    k: int = Field(
        25,
        ge=1,
        le=16384,
        description="Code units that stay active for each example; the others are set to zero.",
        json_schema_extra=LIVE,
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
    auxiliary: AuxiliaryWeight = 0.0
    dead_after: DeadAfter = 200

    menu_position: ClassVar[int] = 2
    is_sparse: ClassVar[bool] = True

    @property
    def auxiliary_weight(self) -> float:
        return self.auxiliary

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return TopKBottleneck(self, latent_dim)

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Let at most a quarter of the units stay on."""
        return self.model_copy(update={"k": min(self.k, max(1, latent_dim // 4))})


class TopKBottleneck(Bottleneck):
    """Keeps k units of each example; `anneal` lets k fall from `start` to its final value."""

    # Initial weights near zero, as in the paper: units with large random weights would be among the
    # k largest for every example, and the others would never learn.
    head_scale = 0.1

    def __init__(self, options: TopK, latent_dim: int):
        super().__init__(latent_dim)
        self.by_magnitude = options.by == "magnitude"
        self.dead_units = DeadUnits(latent_dim, options.dead_after) if options.auxiliary else None
        self.retune(options)

    def retune(self, options: BottleneckBase) -> None:
        assert isinstance(options, TopK)
        self.k = self.final_k = min(options.k, self.latent_dim)
        self.first_k = min(options.start or options.k, self.latent_dim)

    def forward(self, h: Tensor, samples: int) -> Code:
        code = super().forward(h, samples)
        if self.dead_units is not None and self.training:
            self.dead_units.count_step(code.mean)
        return code

    def snap(self, z: Tensor) -> Tensor:
        return keep_highest(z, self.rank(z), self.k)

    def rank(self, z: Tensor) -> Tensor:
        """Return what z (N, latent_dim) is ranked by."""
        return z.abs() if self.by_magnitude else z

    def select_dead_code(self, h: Tensor) -> Tensor | None:
        if self.dead_units is None or not self.training:
            return None
        return self.dead_units.select_code(h, self.rank(h))

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "top_k", "k": self.k, "magnitude": self.by_magnitude}]

    def anneal(self, progress: float) -> bool:
        self.k = round(self.first_k + (self.final_k - self.first_k) * min(1.0, 2 * progress))
        return self.k != self.final_k

    @property
    def annealed_value(self) -> int:
        return self.k
