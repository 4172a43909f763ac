"""Sparse codes in which each unit has a learned threshold, below which it is zero."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import LIVE, CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase, Code

FIRST_THRESHOLD = 0.1
SPEED = 10.0  # a step of Adam changes every weight by the learning rate: thresholds have far to go


class JumpReLU(BottleneckBase):
    """z_i = a_i where a_i > theta_i, else 0; theta_i > 0 is learned.  L0 = the number of units on.

    cost = weight * (mean L0 / target - 1)^2, or price * L0 where there is no target. Beyond twice
    the target it grows evenly: steep first gradients would make Adam's later steps too short.
    Gradients of theta are straight-through, by a rectangle K as wide as `bandwidth`, b:
    dz/dtheta = -theta/b K((a - theta)/b),  dL0/dtheta = -1/b K((a - theta)/b).
    Rajamanoharan et al. (2024), Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU
    Sparse Autoencoders.
    """

    kind: Literal["jump_relu"] = "jump_relu"
    target: int | None = Field(
        25, ge=1, le=16384, description="Units on for an example, on average; none: see price."
    )
    weight: float = Field(
        300.0,
        ge=0,
        le=1e6,
        description="How strictly the target is kept.",
        json_schema_extra=LIVE,
    )
    price: float = Field(
        0.1,
        ge=0,
        le=1e6,
        description="Cost of each unit that is on, where there is no target.",
        json_schema_extra=LIVE,
    )
    bandwidth: float = Field(
        0.5,
        gt=0,
        le=100,
        description="Width of the band around a threshold in which values move it.",
    )

    menu_position: ClassVar[int] = 7
    is_sparse: ClassVar[bool] = True

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return JumpReLUBottleneck(self, latent_dim)

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Let at most a quarter of the units be on, where there is a target."""
        target = self.target and min(self.target, max(1, latent_dim // 4))
        return self.model_copy(update={"target": target})


class JumpReLUBottleneck(Bottleneck):
    """Has the thresholds, as their logarithms, which keeps them above zero, over SPEED."""

    def __init__(self, options: JumpReLU, latent_dim: int):
        super().__init__(latent_dim)
        self.retune(options)
        first = math.log(FIRST_THRESHOLD) / SPEED
        self.log_threshold = nn.Parameter(torch.full((latent_dim,), first))

    def retune(self, options: BottleneckBase) -> None:
        assert isinstance(options, JumpReLU)
        self.options = options

    @property
    def threshold(self) -> Tensor:
        """The thresholds (latent_dim,)."""
        return (SPEED * self.log_threshold).exp()

    def forward(self, h: Tensor, samples: int) -> Code:
        threshold = self.threshold
        is_on = (h > threshold).to(h.dtype)
        # zero, with a gradient of 1 / bandwidth for each threshold near the value
        pull = (threshold - threshold.detach()) * self.near(h.detach(), threshold.detach())
        z = h * is_on - threshold.detach() * pull
        return Code(z[None], self.charge(is_on - pull)[None], z)

    def near(self, h: Tensor, threshold: Tensor) -> Tensor:
        """Return K((h - threshold) / bandwidth) / bandwidth, of the shape of h."""
        width = self.options.bandwidth
        return ((h - threshold).abs() < width / 2).to(h.dtype) / width

    def charge(self, is_on: Tensor) -> Tensor:
        """Return the cost (N,) of units that are on: 1, or off: 0, (N, latent_dim)."""
        active = is_on.sum(1)
        if self.options.target is None:
            return self.options.price * active
        excess = active.mean() / self.options.target - 1
        bounded = torch.where(excess > 1, 2 * excess - 1, excess.square())
        return (self.options.weight * bounded).expand(len(active))

    def snap(self, z: Tensor) -> Tensor:
        return z * (z > self.threshold)

    def snap_steps(self) -> list[dict[str, Any]]:
        return [{"op": "threshold", "threshold": self.threshold}]
