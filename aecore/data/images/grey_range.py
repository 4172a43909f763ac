"""Pictures of more than 8 bits: which of their values become black and white."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aecore.data.raw import Array

BIT_DEPTHS = (10, 12, 14, 16)
NO_VALUE = 1e30  # floats beyond it stand for no data


class GreyRange(NamedTuple):
    """The least and the greatest value of some pictures."""

    low: float
    high: float
    is_float: bool = False

    def join(self, other: GreyRange | None) -> GreyRange:
        """Return the range of both."""
        if other is None:
            return self
        low, high = min(self.low, other.low), max(self.high, other.high)
        return GreyRange(low, high, self.is_float or other.is_float)


def mark_no_values(values: Array, no_data: float | None) -> Array:
    """Return which values stand for no data: NaN, infinite, huge, or as the file says."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape, bool) if no_data is None else values == no_data
    with np.errstate(invalid="ignore"):
        marks = ~(np.abs(values) < NO_VALUE)
        return marks if no_data is None else marks | (values == np.float64(no_data))


def measure_greys(values: Array, marks: Array) -> GreyRange | None:
    """Return the range of values without those marked; None where none is left."""
    known = values[~marks] if marks.any() else values
    if not known.size:
        return None
    return GreyRange(float(known.min()), float(known.max()), values.dtype.kind == "f")


def choose_grey_range(used: GreyRange) -> tuple[float, float]:
    """Return the values that become 0 and 255: the whole of the format that the values fill.

    Whole numbers are those of 8, 10, 12, 14 or 16 bits, floats of 0..1 or 0..255, if they fill more
    than half of that; else the range that is used.
    """
    low, high, is_float = used
    if low >= 0 and not is_float and high <= 255:
        return 0.0, 255.0
    tops = (1.0, 255.0) if is_float else tuple(2.0**bits - 1 for bits in BIT_DEPTHS)
    top = next((top for top in tops if high <= top), None)
    if low >= 0 and top is not None and high > top / 2:
        return 0.0, top
    if low >= 0 and not is_float:
        return 0.0, high
    return low, (high if high > low else low + 1.0)


def scale_greys(values: Array, marks: Array, greys: tuple[float, float]) -> Array:
    """Return values of any number type as bytes; marked ones are 0."""
    low, high = greys
    numbers = np.where(marks, low, values).astype(np.float64)
    share = (np.clip(numbers, low, high) - low) / (high - low)
    return np.rint(255 * share).astype(np.uint8)


def describe_greys(greys: tuple[float, float], count: int) -> str:
    """Return the note on what was scaled."""
    plural = "picture has" if count == 1 else "pictures have"
    return (
        f"{count:,} {plural} more than 8 bits a value: greys {greys[0]:g} to {greys[1]:g} are "
        "scaled to 0..255."
    )
