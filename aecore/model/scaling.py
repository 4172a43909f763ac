"""The scaling of columns: from the units of a table to numbers of the size that networks expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from aecore.model.parts.column_heads import Head

ScalingKind = Literal["standard", "minmax"]

CLIP = 30.0
"""Scaled values farther out count as this far, where a set has any; those of most have none."""

ROUNDING = 1e-6  # deviations below this share of the mean are little more than float32's rounding
CONSTANT = 1e-12  # deviations below this are none
LONG_TAIL = 10.0  # deviation of all values over that of the middle ones, in columns with long tails
MIDDLE = 0.05, 0.95  # quantiles between which the middle values of a column lie
KEPT = 0.99  # share of the values of a column with a long tail that are not clipped, at least
SAMPLE_ROWS = 4096  # examples from which the middle values are known well enough
MIN_PAIR_ROWS = 10  # in fewer rows, two values may be chance
CHUNK_VALUES = 4_000_000


class Scaling(NamedTuple):
    """A value x of a column becomes (x - shift) / scale."""

    shift: Tensor  # (*input_shape)
    scale: Tensor


class ColumnTraits(NamedTuple):
    """What is unusual about the values of a table's columns, (features,) bool each."""

    binary: Tensor  # 0 and 1 alone
    nearly_constant: Tensor  # all values alike, but for rounding errors
    long_tailed: Tensor  # a few values would set the scale of all others
    clipped: Tensor  # some scaled values lie beyond CLIP


class RowTraits(NamedTuple):
    """What a model of rows, or of pictures, must be prepared for."""

    is_binary: bool = False  # every value is one of the same two
    is_zero_or_one: bool = False  # these are 0 and 1
    has_extremes: bool = False  # some scaled values lie beyond CLIP
    has_missing: bool = False  # some cells are missing
    heads: tuple[Head, ...] = ()  # what the columns are, where they are not all numbers
    has_midtones: bool = False  # of pictures: most pixels are neither nearly black nor white


def fit_columns(x: Tensor, scaling: ScalingKind, may_miss: bool = False) -> Scaling:
    """Return the scaling of each column of x (N, *input_shape), which with `may_miss` may hold NaN.

    Standard: to zero mean and unit variance. A column of 0 and 1 alone is centred and doubled, as
    one with as many of both is anyway: where 1 is rare, the variance is near zero. In a column with
    a long tail, mean and variance are those of the middle values. Minmax: to 0..1.
    """
    shift, scale = _measure_columns(x, scaling, may_miss)
    is_constant = ~(scale > CONSTANT)  # also NaN
    if scaling == "standard":
        is_binary = find_binary_columns(x)
        scale = torch.maximum(scale, ROUNDING * shift.abs()).masked_fill(is_binary, 0.5)
        middle = _measure_middles(x)
        is_long = _has_long_tail(scale, middle) & ~is_binary
        shift = torch.where(is_long, middle.shift, shift)
        scale = torch.where(is_long, middle.scale, scale)
    return Scaling(shift, scale.masked_fill(is_constant, 1.0))


def _measure_columns(x: Tensor, scaling: ScalingKind, may_miss: bool) -> Scaling:
    """Return location and spread of each column, finite for any values that float32 can hold."""
    shift, scale = _compute_moments(x, scaling, may_miss)
    if (shift.isfinite() & scale.isfinite()).all():
        return Scaling(shift, scale)
    exact = x.to("cpu", torch.float64)  # sums or squares are beyond float32
    largest = torch.finfo(x.dtype).max
    shift, scale = (
        part.clamp(-largest, largest).to(x) for part in _compute_moments(exact, scaling, may_miss)
    )
    return Scaling(shift, scale)


def _compute_moments(x: Tensor, scaling: ScalingKind, may_miss: bool) -> tuple[Tensor, Tensor]:
    if may_miss:  # a column without any observed cell is not scaled
        shift = x.nanmean(0).nan_to_num(0)
        return shift, (x - shift).square().nanmean(0).sqrt().nan_to_num(0, posinf=torch.inf)
    if scaling == "standard":
        return x.mean(0), x.std(0, correction=0)
    return x.amin(0), x.amax(0) - x.amin(0)


def _measure_middles(x: Tensor) -> Scaling:
    """Return mean and deviation of each column without its ends, wide enough to keep most values.

    Values beyond the quantiles MIDDLE count as these; missing cells, NaN, do not count.
    """
    rows = x[:: max(1, len(x) // SAMPLE_ROWS)].to("cpu", torch.float64)
    low, high = _find_quantile(rows, MIDDLE[0]), _find_quantile(rows, MIDDLE[1])
    middle = rows.maximum(low).minimum(high)
    shift = middle.nanmean(0).nan_to_num(0)
    deviation = (middle - shift).square().nanmean(0).sqrt().nan_to_num(0)
    farthest = _find_quantile((rows - shift).abs(), KEPT).nan_to_num(0)
    scale = torch.where(deviation > CONSTANT, deviation.maximum(farthest / CLIP), deviation)
    return Scaling(shift.to(x), scale.to(x))


def _find_quantile(rows: Tensor, share: float) -> Tensor:
    """Return a value of each column of rows (N, *shape) that lies inside of the quantile."""
    last = (~rows.isnan()).sum(0) - 1  # NaN comes last in order
    place = last * share
    place = place.ceil() if share < 0.5 else place.floor()
    return rows.sort(0).values.gather(0, place.long().clamp(min=0)[None])[0]


def _has_long_tail(scale: Tensor, middle: Scaling) -> Tensor:
    return (middle.scale > CONSTANT) & (scale > LONG_TAIL * middle.scale)


def find_binary_columns(x: Tensor) -> Tensor:
    """Return True for each column of x (N, *input_shape) that holds 0 and 1 and nothing else.

    Missing cells, NaN, are left out of account.
    """
    has_zero, has_one = torch.zeros((2, *x.shape[1:]), dtype=torch.bool, device=x.device)
    has_other = torch.zeros_like(has_zero)
    for part in _split_parts(x):
        is_zero, is_one = part == 0, part == 1
        has_zero |= is_zero.any(0)
        has_one |= is_one.any(0)
        has_other |= ~(is_zero | is_one | part.isnan()).all(0)
        if has_other.all():  # as in nearly all sets
            break
    return has_zero & has_one & ~has_other


def find_column_traits(x: Tensor, others: Tensor | None = None) -> ColumnTraits:
    """Return what is unusual about rows x (N, features), float; missing cells are NaN.

    `others` are rows that a model will meet besides, such as those of the test set.
    """
    may_miss = has_missing_cells(x)
    mean, deviation = _measure_columns(x, "standard", may_miss)
    fitted = fit_columns(x, "standard", may_miss)
    is_binary = find_binary_columns(x)
    is_clipped = _reaches_beyond(x, fitted)
    if others is not None:
        is_clipped |= _reaches_beyond(others, fitted)
    return ColumnTraits(
        binary=is_binary,
        nearly_constant=(deviation > 0) & (deviation <= ROUNDING * mean.abs()),
        long_tailed=_has_long_tail(deviation, _measure_middles(x)) & ~is_binary,
        clipped=is_clipped,
    )


def describe_rows(x: Tensor, others: Tensor, is_part: bool = False) -> RowTraits:
    """Return what a model trained on rows x (N, features) must be prepared for.

    `others` are rows that it will meet besides; with `is_part` there are further ones, unknown.
    """
    pair = find_value_pair(x)
    if pair is not None and len(others) and find_value_pair(others, pair) is None:
        pair = None
    has_extremes = is_part or bool(find_column_traits(x, others).clipped.any())
    has_missing = has_missing_cells(x) or has_missing_cells(others)
    return RowTraits(pair is not None, pair == (0.0, 1.0), has_extremes, has_missing)


def has_missing_cells(x: Tensor) -> bool:
    """Return True where a cell of x (N, ...) is NaN."""
    return any(bool(part.isnan().any()) for part in _split_parts(x))


def measure_missing_share(x: Tensor) -> float:
    """Return the share of the cells of x (N, ...) that is NaN."""
    count = sum(int(part.isnan().count_nonzero()) for part in _split_parts(x))
    return count / max(1, x.numel())


def find_value_pair(
    x: Tensor, pair: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """Return the two values that all of x (N, features) is made of, or None if there are others.

    They are 0 and 1, or for `MIN_PAIR_ROWS` rows and more any two; or the given `pair`.
    """
    low, high = pair or (x.min().item(), x.max().item())
    is_known = pair is not None or (low, high) == (0, 1) or len(x) >= MIN_PAIR_ROWS
    if not (low < high and is_known):  # also NaN
        return None
    is_pair = all(((part == low) | (part == high)).all() for part in _split_parts(x))
    return (low, high) if is_pair else None


def _reaches_beyond(x: Tensor, scaling: Scaling) -> Tensor:
    """Return True for each column with scaled values beyond CLIP."""
    beyond = torch.zeros(x.shape[1:], dtype=torch.bool)
    for part in _split_parts(x):
        beyond |= (((part - scaling.shift) / scaling.scale).abs() > CLIP).any(0)
    return beyond


def _split_parts(x: Tensor) -> Iterator[Tensor]:
    yield from x.split(max(1, CHUNK_VALUES // max(1, x[0].numel() if len(x) else 1)))
