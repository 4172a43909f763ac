"""Densities of rounded codes: how probable each level is, and so how many bits it costs.

A level is the integer that a value of the code is rounded to. Its probability is the mass of a
distribution between half a level below it and half a level above. Mean and scale are those of the
channel, corrected by what was decoded before:

    group 1 at half of the places, as on a chessboard -> group 1 at the others -> group 2 ...

so that a file is decoded in two steps for each group of channels (He et al., 2021, Checkerboard
Context Model; Minnen & Singh, 2020, Channel-Wise Autoregressive Entropy Models).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aecore.model.parts.networks.residual_blocks import zero_layer

MIN_SCALE, MAX_SCALE = 0.06, 300.0  # levels
MIN_MASS = 2.0**-24  # of a level: its gradient stays finite
GROUP_SHARES = (1 / 32, 1 / 8, 1 / 3, 1.0)  # of the channels, up to which each group goes


class Prediction(NamedTuple):
    """Means and logarithms of the scales of levels, (N, C, h, w)."""

    mean: Tensor
    log_scale: Tensor


class CodingTurn(NamedTuple):
    """Levels that are coded together: their density depends on earlier turns alone."""

    channels: slice
    places: Tensor  # (h, w) bool


Fill = Callable[
    [CodingTurn, Prediction], Tensor
]  # levels (N, channels, h, w); those at `places` count


def count_level_bits(levels: Tensor, prediction: Prediction) -> Tensor:
    """Return the bits of levels (N, C, h, w), or of codes with noise in their place, each."""
    scale = prediction.log_scale.clamp(math.log(MIN_SCALE), math.log(MAX_SCALE)).exp()
    return -compute_level_mass(levels - prediction.mean, scale).clamp(min=MIN_MASS).log2()


def compute_level_mass(offset: Tensor, scale: Tensor) -> Tensor:
    """Return the mass of a Laplace distribution within 1/2 of `offset` from its mean."""
    distance = offset.abs()
    near = distance.clamp(max=0.5)
    inside = 1 - 0.5 * (((near - 0.5) / scale).exp() + (-(near + 0.5) / scale).exp())
    beyond = (distance - 0.5).clamp(min=0)
    outside = -0.5 * (-beyond / scale).exp() * torch.expm1(-1 / scale)
    return torch.where(distance < 0.5, inside, outside)


def mark_anchors(levels: Tensor) -> Tensor:
    """Return the places (h, w) bool of a grid that are coded first: black ones of a chessboard."""
    rows, columns = (torch.arange(side, device=levels.device) for side in levels.shape[2:])
    return (rows[:, None] + columns) % 2 == 0


def describe_levels(levels: Tensor) -> Tensor:
    """Return what layers see of levels (N, C, h, w): signed and unsigned, on a log scale."""
    return torch.cat([levels.asinh(), levels.abs().log1p()], dim=1)


def list_groups(channels: int) -> list[slice]:
    """Return the channels of each group, in the order in which they are coded."""
    ends = sorted({math.ceil(share * channels) for share in GROUP_SHARES})
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def count_density_weights(channels: int, width: int) -> int:
    """Return how many weights a `CodeDensity` has."""
    sizes = [part.stop - part.start for part in list_groups(channels)]
    groups = sum(
        11 * width**2 + 38 * size * width + 9 * size**2 + 4 * width + 2 * size for size in sizes
    )
    unneeded = 10 * width**2 + 18 * sizes[-1] * width + 2 * width  # nothing follows the last group
    return 2 * channels + 2 * width + groups - unneeded


class GroupDensity(nn.Module):
    """The levels of a group of channels, from `state` and from those at the other places."""

    memory: nn.Sequential | None  # of levels that others follow

    def __init__(self, channels: int, width: int, is_last: bool):
        super().__init__()
        self.channels = channels
        self.neighbours = nn.Conv2d(2 * channels, width, 3, padding=1)
        self.mean_neighbours = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        last = nn.Conv2d(width, 2 * channels, 1)
        self.head = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), last)
        self.memory = None
        if not is_last:
            self.memory = nn.Sequential(
                nn.Conv2d(2 * channels + width, width, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(width, width, 1),
            )
        nn.init.zeros_(self.mean_neighbours.weight)
        zero_layer(last)

    def correct(self, state: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return corrections of means and log scales, each (N, channels, h, w).

        They depend on the levels of anchors alone; those of anchors on `state` alone.
        """
        anchors = mark_anchors(levels).to(levels.dtype)
        known, others = levels * anchors, 1 - anchors
        seen = self.neighbours(describe_levels(known)) * others
        mean, log_scale = self.head(state + seen).chunk(2, dim=1)
        return mean + self.mean_neighbours(known) * others, log_scale

    def remember(self, state: Tensor, levels: Tensor) -> Tensor:
        """Return the state (N, width, h, w) that later groups see."""
        if self.memory is None:
            return state
        return state + self.memory(torch.cat([state, describe_levels(levels)], dim=1))


class CodeDensity(nn.Module):
    """The density of levels (N, C, h, w) whose steps are `factor` times those of the training."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.slices = list_groups(channels)
        self.begin = nn.Linear(1, width)
        self.groups = nn.ModuleList(
            GroupDensity(part.stop - part.start, width, part is self.slices[-1])
            for part in self.slices
        )

    def iterate_groups(self) -> Iterator[tuple[slice, GroupDensity]]:
        """Yield the channels of each group, and its density."""
        for channels, group in zip(self.slices, self.groups, strict=True):
            assert isinstance(group, GroupDensity)
            yield channels, group

    def predict(self, levels: Tensor, factor: Tensor) -> Prediction:
        """Return the prediction of all levels at once; factors are (N,)."""
        state, parts = self.begin_state(levels.shape, factor), []
        for channels, group in self.iterate_groups():
            own = levels[:, channels]
            parts.append(self.finish(channels, factor, *group.correct(state, own)))
            state = group.remember(state, own)
        means, log_scales = zip(*parts, strict=True)
        return Prediction(torch.cat(means, 1), torch.cat(log_scales, 1))

    def take_turns(self, shape: torch.Size, factor: Tensor, fill: Fill) -> Tensor:
        """Return levels (N, C, h, w) of this shape that `fill` gives turn by turn."""
        state, parts = self.begin_state(shape, factor), []
        anchors = mark_anchors(state)
        for channels, group in self.iterate_groups():
            levels = state.new_zeros(shape[0], group.channels, *shape[2:])
            for places in (anchors, ~anchors):
                if not places.any():
                    continue
                prediction = self.finish(channels, factor, *group.correct(state, levels))
                levels = torch.where(places, fill(CodingTurn(channels, places), prediction), levels)
            state = group.remember(state, levels)
            parts.append(levels)
        return torch.cat(parts, 1)

    def begin_state(self, shape: torch.Size, factor: Tensor) -> Tensor:
        """Return the state (N, width, h, w) before the first level."""
        state = self.begin(factor.log()[:, None])
        return state[:, :, None, None].expand(-1, -1, *shape[2:])

    def finish(
        self, channels: slice, factor: Tensor, mean: Tensor, log_scale: Tensor
    ) -> Prediction:
        """Return the channels' own means and scales, corrected."""
        factor = factor[:, None, None, None]
        own_mean = self.mean[channels, None, None] / factor
        own_scale = self.log_scale[channels, None, None] - factor.log()
        return Prediction(own_mean + mean, own_scale + log_scale)

    @torch.no_grad()
    def fit_channels(self, levels: Tensor) -> None:
        """Begin with the means and scales of the channels of levels (N, C, h, w)."""
        mean = levels.mean((0, 2, 3))
        deviation = (levels - mean[:, None, None]).abs().mean((0, 2, 3))
        self.mean.copy_(mean)
        self.log_scale.copy_(deviation.clamp(0.1, MAX_SCALE).log())
