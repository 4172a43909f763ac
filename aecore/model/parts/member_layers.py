"""The layers of an ensemble: those of all its members in one batched product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from aecore.model.parts.networks.base import ACTIVATIONS


class MemberLinear(nn.Module):
    """x (members, N, in) -> x_m W_m^T + b_m (members, N, out)."""

    def __init__(self, members: int, inputs: int, outputs: int, activation: str):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))
        if self.weight.is_meta:
            return  # to be loaded
        if activation in ("relu", "gelu"):  # as in aecore.model.parts.networks.base
            nn.init.normal_(self.weight, 0, math.sqrt(2 / inputs))
        else:
            bound = math.sqrt(6 / (inputs + outputs))
            nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor, sees: Tensor | None = None) -> Tensor:
        weight = self.weight if sees is None else self.weight * sees[:, None]
        return torch.baddbmm(self.bias[:, None], x, weight.transpose(1, 2))


class MemberStack(nn.Module):
    """The layers of all members, with the non-linearity behind all but the last."""

    def __init__(self, members: int, activation: str, widths: Sequence[int], last: str):
        super().__init__()
        self.members, self.activation = members, activation
        self.activate = ACTIVATIONS[activation]
        kinds = [activation] * (len(widths) - 2) + [last]
        self.layers = nn.ModuleList(
            MemberLinear(members, a, b, kind)
            for (a, b), kind in zip(pairwise(widths), kinds, strict=True)
        )

    def forward(self, x: Tensor, sees: Tensor | None = None) -> Tensor:
        """x (members, N, in) -> (members, N, out); each member `sees` (members, in) some inputs."""
        *layers, last = self.list_member_layers()
        for layer in layers:
            x, sees = self.activate(layer(x, sees)), None
        return last(x, sees)

    def deal(self, x: Tensor) -> Tensor:
        """x (N, width), example i being member i mod M's -> (members, ceil(N / M), width)."""
        missing = -len(x) % self.members
        if missing:
            x = torch.cat([x, x.new_zeros(missing, x.shape[1])])
        return x.unflatten(0, (-1, self.members)).transpose(0, 1)

    def collect(self, x: Tensor, count: int) -> Tensor:
        """Return the first `count` examples in the order that `deal` got, (count, width)."""
        return x.transpose(0, 1).flatten(0, 1)[:count]

    def list_member_layers(self) -> list[MemberLinear]:
        """Return `layers` as a typed list."""
        return [layer for layer in self.layers if isinstance(layer, MemberLinear)]


def join_members(layer: MemberLinear) -> tuple[Tensor, Tensor]:
    """Return a block-diagonal weight (out, in) and a bias that do what the members do apart."""
    return torch.block_diag(*layer.weight), layer.bias.flatten()
