"""The units of a code, one by one: when each is active, what excites it, what it adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks, iterate_chunks
from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.progress import track_progress

KEPT_INPUTS = 20  # that excite a unit most, and least
BINS = 40  # of a histogram
CODE_VALUES = 4_000_000  # of codes in memory at a time


@dataclass(frozen=True)
class UnitStatistics:
    """Statistics of d units over N inputs; a unit is active where its value is not 0."""

    count: int  # N
    active: np.ndarray  # (d,) inputs with which the unit is active
    mean: np.ndarray  # (d,)
    variance: np.ndarray  # (d,)
    minimum: np.ndarray  # (d,) of the active values, as `maximum`; 0 of a unit that never was
    maximum: np.ndarray  # (d,)
    histogram: np.ndarray  # (d, BINS) of the active values, from minimum to maximum
    most: np.ndarray  # (d, KEPT_INPUTS) rows of the largest values, the largest first
    most_values: np.ndarray
    least: np.ndarray  # (d, KEPT_INPUTS) rows of the smallest values, the smallest first

    @property
    def dead_share(self) -> np.ndarray:
        """The share of the inputs with which each unit is not active, (d,)."""
        return 1 - self.active / self.count

    def edges(self, unit: int) -> np.ndarray:
        """Return the BINS + 1 edges of a unit's histogram."""
        return np.linspace(self.minimum[unit], self.maximum[unit], BINS + 1)


class UnitEffect(NamedTuple):
    """A few inputs, reconstructed with a unit as it is, off, and doubled: (N, *input_shape)."""

    plain: Tensor
    off: Tensor
    doubled: Tensor


# -- over all inputs


def measure_units(model: Autoencoder, x: Tensor) -> UnitStatistics:
    """Return the statistics of all units over x (N, *input_shape).

    Two passes in chunks, so that memory does not grow with N. The inputs that excite a unit least
    are ranked by what the encoder gives: most values of sparse codes are 0. CheckpointError where
    codes overflow.
    """
    sums, histogram = UnitSums(model.config.latent_dim), torch.zeros((), dtype=torch.int64)
    for is_second in track_progress((False, True)):
        for h, z in iterate_codes(model, x):
            if is_second:
                histogram = histogram + count_values(z, *sums.limits())
            else:
                sums.add(h, z)
    return sums.finish(histogram.numpy())


@torch.no_grad()
def iterate_codes(model: Autoencoder, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield what the encoder gives and the codes made of it, (n, latent_dim) both, on the CPU."""
    for part in track_progress(x.split(max(1, CODE_VALUES // model.config.latent_dim))):
        for scaled, _ in iterate_chunks(model, part):
            h = model.encode_scaled(scaled)
            z = model.bottleneck.snap(h)
            if not z.isfinite().all():
                raise CheckpointError("The codes overflow: the weights are unsound. Train again.")
            yield h.cpu(), z.cpu()


def count_values(z: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return how many active values of z (n, d) are in each of BINS steps: (d, BINS)."""
    d = z.shape[1]
    width = (high - low).clamp(min=1e-30)
    bins = ((z - low) / width * BINS).long().clamp(0, BINS - 1)
    places = (bins + BINS * torch.arange(d))[z != 0]
    return torch.bincount(places, minlength=d * BINS).view(d, BINS)


class UnitSums:
    """Sums over the inputs so far, and the inputs of the largest and the smallest values."""

    def __init__(self, d: int):
        self.count = 0
        self.active = torch.zeros(d, dtype=torch.int64)
        self.total, self.squares = torch.zeros(2, d, dtype=torch.float64)
        self.low, self.high = torch.full((d,), torch.inf), torch.full((d,), -torch.inf)
        nothing = torch.empty(d, 0)
        self.most = self.least = RankedInputs(nothing, nothing.long())

    def add(self, h: Tensor, z: Tensor) -> None:
        """Add what the encoder gives, h, and the codes z of the next inputs, (n, d) both."""
        is_active = z != 0
        self.active += is_active.sum(0)
        self.total += z.sum(0, dtype=torch.float64)
        self.squares += z.double().square().sum(0)
        self.low = self.low.minimum(z.masked_fill(~is_active, torch.inf).amin(0))
        self.high = self.high.maximum(z.masked_fill(~is_active, -torch.inf).amax(0))
        self.most = self.most.merge(z, self.count, largest=True)
        self.least = self.least.merge(h, self.count, largest=False)
        self.count += len(z)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Return the smallest and the largest active value of each unit, 0 of a dead one: (d,)."""
        is_dead = self.active == 0
        return self.low.masked_fill(is_dead, 0), self.high.masked_fill(is_dead, 0)

    def finish(self, histogram: np.ndarray) -> UnitStatistics:
        """Return the statistics, with the histogram of a second pass."""
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp(min=0)
        low, high = self.limits()
        return UnitStatistics(
            count=self.count,
            active=self.active.numpy(),
            mean=mean.float().numpy(),
            variance=variance.float().numpy(),
            minimum=low.numpy(),
            maximum=high.numpy(),
            histogram=histogram,
            most=self.most.rows.numpy(),
            most_values=self.most.values.numpy(),
            least=self.least.rows.numpy(),
        )


class RankedInputs(NamedTuple):
    """The KEPT_INPUTS best inputs of each unit so far, the best first."""

    values: Tensor  # (d, kept)
    rows: Tensor  # (d, kept)

    def merge(self, values: Tensor, first_row: int, largest: bool) -> RankedInputs:
        """Return the best of these and of values (n, d), whose rows begin at `first_row`."""
        count = min(KEPT_INPUTS, len(values))
        new, rows = values.T.contiguous().topk(count, dim=1, largest=largest)
        values = torch.cat([self.values, new], dim=1)
        rows = torch.cat([self.rows, rows + first_row], dim=1)
        best = values.topk(min(KEPT_INPUTS, values.shape[1]), dim=1, largest=largest)
        return RankedInputs(best.values, rows.gather(1, best.indices))


# -- one unit, or a few


def decode_atoms(model: Autoencoder, statistics: UnitStatistics, units: Sequence[int]) -> Tensor:
    """Return what each unit adds to what is decoded, (len(units), *input_shape).

    The unit is moved by one standard deviation, from the mean code or, in a sparse code, from
    zero; where it never moves, by 1. Of a linear decoder that is its column of the weights.
    """
    d = model.config.latent_dim
    is_sparse = model.config.bottleneck.is_sparse
    base = torch.zeros(1, d) if is_sparse else torch.from_numpy(statistics.mean)[None]
    rows = torch.as_tensor(units)
    deviations = torch.from_numpy(statistics.variance).sqrt()[rows]
    moved = base.repeat(len(units), 1)
    moved[torch.arange(len(units)), rows] += deviations.where(deviations > 0, 1.0)
    decoded = decode_in_chunks(model, torch.cat([base, moved]))
    return decoded[1:] - decoded[:1]


def switch_unit(model: Autoencoder, x: Tensor, unit: int) -> UnitEffect:
    """Return reconstructions of x (N, *input_shape) with a unit as it is, at 0, and doubled."""
    z = encode_in_chunks(model, x)
    codes = [z.clone() for _ in range(3)]
    codes[1][:, unit] = 0
    codes[2][:, unit] *= 2
    return UnitEffect(*decode_in_chunks(model, torch.cat(codes)).split(len(x)))
