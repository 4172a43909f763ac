"""The code is what the encoder gives."""

from __future__ import annotations

from typing import ClassVar, Literal

from aecore.model.parts.base import CodeGrid
from aecore.model.parts.bottlenecks.base import Bottleneck, BottleneckBase


class Deterministic(BottleneckBase):
    """z = f(x). No cost."""

    kind: Literal["deterministic"] = "deterministic"

    menu_position: ClassVar[int] = 1
    allows_path: ClassVar[bool] = True

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        return Bottleneck(latent_dim)
