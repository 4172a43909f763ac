"""Discrete codes: each part of the code is a vector of a learned codebook."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code


class VectorQuantized(BottleneckBase):
    """z = e_j, the codebook vector nearest to the encoder's; straight-through gradient.

    cost = |sg[z_e] - e|^2 + commitment * |z_e - sg[e]|^2      (van den Oord et al., 2017, eq. 3)
    The code is cut into `latent_dim / dim` vectors that share one codebook.
    """

    kind: Literal["vector_quantized"] = "vector_quantized"
    codes: int = Field(256, ge=2, le=65536, description="Number of vectors in the codebook.")
    dim: int = Field(
        4,
        ge=1,
        le=1024,
        description="Length of a codebook vector; it divides the latent dimension.",
    )
    commitment: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Weight of the term that keeps the encoder's output close to its codebook "
        "vector.",
        json_schema_extra=LIVE,
    )

    menu_position: ClassVar[int] = 4

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return CodebookBottleneck(self, latent_dim)

    def count_weights(self, latent_dim: int, grid: CodeGrid | None = None) -> int:
        return self.codes * self.dim

    def check_latent_dim(self, latent_dim: int) -> None:
        if latent_dim % self.dim:
            raise ValueError(
                f"latent_dim {latent_dim} must be a multiple of bottleneck.dim {self.dim}"
            )

    def fit_latent_dim(self, latent_dim: int) -> Self:
        """Choose the length of codebook vectors, 4, 2 or 1, that divides latent_dim."""
        return self.model_copy(update={"dim": math.gcd(latent_dim, 4)})


class CodebookBottleneck(Bottleneck):
    """Replaces each part of the code by the nearest vector of the codebook."""

    def __init__(self, options: VectorQuantized, latent_dim: int):
        super().__init__(latent_dim)
        self.commitment, self.levels = options.commitment, options.codes
        self.codebook = nn.Parameter(torch.empty(options.codes, options.dim))
        if not self.codebook.is_meta:  # to be loaded; torch imports a compiler to draw there
            nn.init.normal_(self.codebook, std=1 / math.sqrt(options.dim))

    def retune(self, options: BottleneckBase) -> None:
        assert isinstance(options, VectorQuantized)
        self.commitment = options.commitment

    def forward(self, h: Tensor, samples: int) -> Code:
        z = self.snap(h)
        cost = (h.detach() - z).square() + self.commitment * (h - z.detach()).square()
        straight_through = h + (z - h).detach()  # the value of z with the gradient of h
        return Code(straight_through[None], cost.sum(1)[None], z)

    def snap(self, z: Tensor) -> Tensor:
        return self.values(self.indices(z))

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "nearest", "codebook": self.codebook, "dim": self.codebook.shape[1]}]

    def indices(self, z: Tensor) -> Tensor:
        """Return the nearest codebook vector of each part of z: (N, latent_dim / dim) int64."""
        parts = z.detach().unflatten(1, (-1, self.codebook.shape[1]))
        codebook = self.codebook.detach()
        return (codebook.square().sum(1) - 2 * parts @ codebook.T).argmin(-1)

    def values(self, indices: Tensor) -> Tensor:
        return F.embedding(indices, self.codebook).flatten(1)
