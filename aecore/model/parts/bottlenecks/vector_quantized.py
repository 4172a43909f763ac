"""Discrete codes: each part of the code is a vector of a learned codebook."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code, IndexShape
from aecore.model.parts.bottlenecks.codebook_means import (
    CodebookMeans,
    cluster_encodings,
    find_nearest_vectors,
)


class VectorQuantized(BottleneckBase):
    """z = e_j, the codebook vector nearest to the encoder's; straight-through gradient.

    cost = |sg[z_e] - e|^2 + commitment * |z_e - sg[e]|^2      (van den Oord et al., 2017, eq. 3)
    The code is cut into `latent_dim / dim` vectors that share one codebook. With `update` ema there
    is no first term: codebook vectors follow the encodings that they are nearest to (appendix A.1).
    With several `stages`, each has a codebook for what the last one left (SoundStream: Zeghidour et
    al., 2021). With `cosine`, encodings and codebook vectors have length 1 (ViT-VQGAN: Yu et al.,
    2022).
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
    update: Literal["gradient", "ema"] = Field(
        "gradient",
        description="How codebook vectors learn. ema: as running means of the encodings nearest to "
        "them, from k-means centres on; gradient: by a term of the loss, from random values on.",
    )
    decay: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Share of the running means that is kept at each step, with update ema.",
    )
    restart_below: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="With update ema, codebook vectors used less than this share of the mean are "
        "replaced by current encodings. 0: never.",
    )
    stages: int = Field(
        1,
        ge=1,
        le=16,
        description="Residual quantisation: number of codebooks, each for what the last one left.",
    )
    cosine: bool = Field(
        False, description="Codebook vectors and encodings have length 1: directions are compared."
    )

    menu_position: ClassVar[int] = 4
    allows_path: ClassVar[bool] = True
    path_needs_grid: ClassVar[bool] = True  # parts of a dense code vary too differently
    begins_whitened: ClassVar[bool] = False  # the nearest codes are those of the nearest pictures
    units_of_place: ClassVar[int | None] = 16

    @model_validator(mode="after")
    def check_cosine(self) -> Self:
        """Raise ValueError where directions would be compared that do not exist."""
        if self.cosine and (self.stages > 1 or self.dim < 2):
            raise ValueError(
                "cosine codes need vectors of 2 values or more and one stage, for what a direction "
                "leaves is none: set cosine to false, or stages to 1 and dim above 1"
            )
        return self

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return CodebookBottleneck(self, latent_dim)

    @property
    def starts_from_codes(self) -> bool:
        return self.update == "ema"

    def count_weights(self, latent_dim: int, grid: CodeGrid | None = None) -> int:
        means = self.codes * (self.dim + 1) if self.update == "ema" else 0
        return self.stages * (self.codes * self.dim + means)

    def index_shape(self, latent_dim: int) -> IndexShape:
        return IndexShape(latent_dim // self.dim * self.stages, self.codes, self.stages)

    def check_latent_dim(self, latent_dim: int) -> None:
        if latent_dim % self.dim:
            raise ValueError(
                f"latent_dim {latent_dim} must be a multiple of bottleneck.dim {self.dim}"
            )

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Choose the length of codebook vectors: a place of the grid, else 4, 2 or 1 values."""
        return self.model_copy(update={"dim": grid[0] if grid else math.gcd(latent_dim, 4)})


class CodebookBottleneck(Bottleneck):
    """Replaces each part of the code by the nearest vector of the codebook."""

    codebook: Tensor  # (stages * codes, dim)

    def __init__(self, options: VectorQuantized, latent_dim: int):
        super().__init__(latent_dim)
        self.commitment, self.levels = options.commitment, options.codes
        self.dim, self.stages, self.is_cosine = options.dim, options.stages, options.cosine
        codebook = torch.empty(options.stages * options.codes, options.dim)
        if not codebook.is_meta:  # to be loaded; torch imports a compiler to draw there
            nn.init.normal_(codebook, std=1 / math.sqrt(options.dim))
        self.means: CodebookMeans | None = None
        if options.update == "ema":
            self.register_buffer("codebook", codebook)
            self.means = CodebookMeans(codebook, options.decay, options.restart_below)
        else:
            self.codebook = nn.Parameter(codebook)

    def retune(self, options: BottleneckBase) -> None:
        assert isinstance(options, VectorQuantized)
        self.commitment = options.commitment

    @property
    def vectors(self) -> Tensor:
        """The codebook of each stage: (stages, codes, dim)."""
        codebook = F.normalize(self.codebook, dim=1) if self.is_cosine else self.codebook
        return codebook.unflatten(0, (self.stages, -1))

    def forward(self, h: Tensor, samples: int) -> Code:
        h = self.split(h).flatten(1) if self.is_cosine else h
        rest, z, cost = h, torch.zeros_like(h), torch.zeros_like(h)
        encodings, indices = [], []
        for vectors in self.vectors:
            parts = self.split(rest.detach())
            index = find_nearest_vectors(parts, vectors.detach())
            quantised = F.embedding(index, vectors).flatten(1)
            cost = cost + self.charge(rest, quantised)
            rest, z = rest - quantised.detach(), z + quantised
            encodings.append(parts.flatten(0, 1))
            indices.append(index.flatten())
        if self.training and self.means is not None:
            self.means.follow(self.codebook, torch.stack(encodings), torch.stack(indices))
        straight_through = h + (z - h).detach()  # the value of z with the gradient of h
        return Code(straight_through[None], cost.sum(1)[None], z)

    def charge(self, rest: Tensor, quantised: Tensor) -> Tensor:
        """Return the cost (N, latent_dim) of one stage.

        Running means have no gradient, and epochs are compared without a commitment to them: its
        scale grows with the encodings, while reconstructions get better.
        """
        commitment = self.commitment * (rest - quantised.detach()).square()
        if self.means is not None:
            return commitment if self.training else torch.zeros_like(rest)
        return (rest.detach() - quantised).square() + commitment

    def split(self, z: Tensor) -> Tensor:
        """Return the parts of codes (N, latent_dim): (N, latent_dim / dim, dim)."""
        parts = z.unflatten(1, (-1, self.dim))
        return F.normalize(parts, dim=2) if self.is_cosine else parts

    @torch.no_grad()
    def start(self, h: Tensor, generator: torch.Generator) -> None:
        """Begin at the k-means centres of the encoder's outputs h (N, latent_dim)."""
        if self.means is None:
            return
        rest, codes = self.split(h).flatten(0, 1), self.vectors.shape[1]
        for stage in range(self.stages):
            centres, counts = cluster_encodings(rest, codes, generator)
            rows = slice(stage * codes, (stage + 1) * codes)
            self.codebook[rows] = centres
            self.means.begin(rows, centres, counts)
            vectors = self.vectors[stage]
            rest = rest - vectors[find_nearest_vectors(rest, vectors)]

    def snap(self, z: Tensor) -> Tensor:
        return self.values(self.indices(z))

    def snap_steps(self) -> list[dict[str, Any]]:
        vectors = self.vectors.flatten(0, 1) if self.is_cosine else self.codebook
        return [{"op": "nearest", "codebook": vectors, "dim": self.dim, "stages": self.stages}]

    def indices(self, z: Tensor) -> Tensor:
        """Return the nearest codebook vector of each part of z, stage by stage.

        (N, latent_dim / dim * stages) int64, the stages of a part one after another. With several
        stages z is to be the encoder's output: a sum of their vectors may be nearer to others.
        """
        rest, indices = self.split(z.detach()), []
        for vectors in self.vectors.detach():
            index = find_nearest_vectors(rest, vectors)
            rest = rest - F.embedding(index, vectors)
            indices.append(index)
        return torch.stack(indices, dim=2).flatten(1)

    def values(self, indices: Tensor) -> Tensor:
        by_stage = indices.unflatten(1, (-1, self.stages)).unbind(2)
        parts = [F.embedding(index, e) for index, e in zip(by_stage, self.vectors, strict=True)]
        return torch.stack(parts).sum(0).flatten(1) if self.stages > 1 else parts[0].flatten(1)

    def count_uses(self, indices: Tensor) -> Tensor:
        """Return how often each codebook vector is among indices (N, parts): (stages, codes)."""
        assert self.levels is not None
        by_stage = indices.unflatten(1, (-1, self.stages)).movedim(2, 0).flatten(1)
        return torch.stack([index.bincount(minlength=self.levels) for index in by_stage])
