"""Rounded codes whose bits are the cost: what a codec of pictures sends."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code
from aecore.model.parts.bottlenecks.code_density import (
    CodeDensity,
    count_density_weights,
    count_level_bits,
)

LEVEL_BOUND = 1000  # of levels on either side of zero, in files
# of a step in which a unit's squared error, per bit, is what a bit costs: D(R) ~ 2^(-2 R) of an
# error step^2 / 12 falls by 2 ln(2) D for each bit
STEP_PER_ROOT_WEIGHT = math.sqrt(12 / (2 * math.log(2)))


class Rate(BottleneckBase):
    """z = step * round(h / step); cost = bits of z under a learned density (Ballé et al., 2018).

    In training the bits are those of h / step + u with u uniform in [-1/2, 1/2], which has
    gradients; the decoder gets rounded codes, straight through (Minnen & Singh, 2020). Of codes on
    a grid each channel has a step, and densities depend on what was decoded before.
    """

    kind: Literal["rate"] = "rate"
    bit_weight: float = Field(
        0.01,
        gt=0,
        le=1e4,
        description="Cost of a bit, in units of the reconstruction loss. A larger one gives "
        "smaller files and larger errors.",
        json_schema_extra=LIVE,
    )
    rates: float = Field(
        2.0,
        ge=1,
        le=16,
        description="Trained for steps up to so many times smaller and larger: one model, several "
        "file sizes. 1 trains for one size.",
    )
    width: int = Field(
        64, ge=1, le=1024, description="Channels of the networks that predict the density."
    )

    menu_position: ClassVar[int] = 8
    allows_path: ClassVar[bool] = True
    begins_whitened: ClassVar[bool] = False  # a step means as much in one channel as in another
    units_of_place: ClassVar[int | None] = 64  # what they cost is decided by their density

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return RateBottleneck(self, latent_dim, grid)

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Return narrower networks for small codes."""
        return self.model_copy(update={"width": min(self.width, max(4, latent_dim))})

    def count_weights(self, latent_dim: int, grid: CodeGrid | None = None) -> int:
        channels = grid[0] if grid else latent_dim
        return channels + count_density_weights(channels, self.width)

    def cost_weight(self, kl_weight: float | Tensor) -> float | Tensor:
        return self.bit_weight


class RateBottleneck(Bottleneck):
    """Rounds the values of each channel to multiples of its step, and counts their bits."""

    def __init__(self, options: Rate, latent_dim: int, grid: CodeGrid | None):
        super().__init__(latent_dim)
        self.grid = grid or (latent_dim, 1, 1)
        self.rates = options.rates
        self.log_steps = nn.Parameter(torch.zeros(self.grid[0]))
        self.density = CodeDensity(self.grid[0], options.width)

    def forward(self, h: Tensor, samples: int) -> Code:
        factor = self.draw_factors(h)
        steps = self.find_steps(factor)
        codes = self.to_grid(h) / steps
        levels = codes + (codes.round() - codes).detach()
        counted = codes + torch.rand_like(codes) - 0.5 if self.training else levels
        bits = count_level_bits(counted, self.density.predict(levels, factor)).sum((1, 2, 3))
        z = self.from_grid(levels * steps)
        return Code(z[None], (bits * factor.square())[None], z, bits[None])

    def draw_factors(self, h: Tensor) -> Tensor:
        """Return by how much the steps of each example are larger, (N,): 1 outside training."""
        if not self.training:
            return h.new_ones(len(h))
        return ((2 * torch.rand(len(h), device=h.device) - 1) * math.log(self.rates)).exp()

    def find_steps(self, factor: Tensor) -> Tensor:
        """Return the steps (N, C, 1, 1) that are `factor` (N,) times those of the model."""
        return factor[:, None, None, None] * self.log_steps.exp()[:, None, None]

    def snap(self, z: Tensor) -> Tensor:
        steps = self.find_steps(z.new_ones(1))
        return self.from_grid((self.to_grid(z) / steps).round() * steps)

    def snap_steps(self) -> list[dict[str, Any]]:
        repeated = self.log_steps.exp().repeat(self.latent_dim // len(self.log_steps))
        return [{"op": "round_to_steps", "scale": repeated}]

    def to_grid(self, z: Tensor) -> Tensor:
        """Return codes (N, latent_dim) as (N, C, h, w)."""
        channels, height, width = self.grid
        return z.unflatten(1, (height, width, channels)).movedim(3, 1)

    def from_grid(self, grid: Tensor) -> Tensor:
        """Return codes (N, C, h, w) as (N, latent_dim)."""
        return grid.movedim(1, 3).flatten(1)

    @torch.no_grad()
    def fit_steps(self, h: Tensor, effects: Tensor, bit_weight: float) -> None:
        """Begin with steps and a density that suit codes h (N, latent_dim).

        `effects` (latent_dim,) are mean squares of d x^ / d z.
        """
        squares = self.to_grid(effects[None]).mean((0, 2, 3))
        smallest = 1e-6 * squares.max().clamp(min=1e-12)
        steps = STEP_PER_ROOT_WEIGHT * (bit_weight / squares.clamp(min=smallest)).sqrt()
        self.log_steps.copy_(steps.log())
        self.density.fit_channels(self.to_grid(h) / steps[:, None, None])
