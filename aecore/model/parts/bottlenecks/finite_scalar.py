"""Discrete codes without a codebook: each unit is rounded to one of a few levels."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from aecore.model.parts.base import CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code, IndexShape


class FiniteScalar(BottleneckBase):
    """z_i = the nearest of `levels` even steps from -1 to 1; straight-through gradient. No cost.

    Mentzer et al. (2023), Finite Scalar Quantization: a codebook that needs no learning. The code
    takes latent_dim * log2(levels) bits. Use code_activation tanh, which keeps codes in range.
    """

    kind: Literal["finite_scalar"] = "finite_scalar"
    levels: int = Field(
        16, ge=2, le=65536, description="Number of values that each code unit can take."
    )

    menu_position: ClassVar[int] = 5

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return FiniteScalarBottleneck(self, latent_dim)

    def index_shape(self, latent_dim: int) -> IndexShape:
        return IndexShape(latent_dim, self.levels)


class FiniteScalarBottleneck(Bottleneck):
    """Rounds every unit to the nearest of its levels."""

    levels: int

    def __init__(self, options: FiniteScalar, latent_dim: int):
        super().__init__(latent_dim)
        self.levels, self.steps = options.levels, options.levels - 1

    def forward(self, h: Tensor, samples: int) -> Code:
        z = self.snap(h)
        straight_through = h + (z - h).detach()  # the value of z with the gradient of h
        return Code(straight_through[None], z.new_zeros(1, len(z)), z)

    def snap(self, z: Tensor) -> Tensor:
        return self.values(self.indices(z).to(z.dtype))

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "round", "levels": self.levels}]

    def indices(self, z: Tensor) -> Tensor:
        return ((z.clamp(-1, 1) + 1) / 2 * self.steps).round().long()

    def values(self, indices: Tensor) -> Tensor:
        return indices / self.steps * 2 - 1
