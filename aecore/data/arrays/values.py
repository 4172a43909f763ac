"""The values of arrays: checked, and those of pictures brought to 0..255 as bytes or to 0..1."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from aecore.data.arrays.layouts import ArrayLayout
from aecore.data.raw import Array
from aecore.errors import DataError

BYTE = np.dtype(np.uint8)
SINGLE = np.dtype(np.float32)
MIN_BYTE_RANGE = 64  # pictures whose brightest value is below have a scale of their own
LARGEST_VALUES = (255, 1023, 4095, 16383, 65535)  # the largest values of 8, 10, 12, 14 and 16 bits
OVERSHOOT = 0.1  # how far resizing takes values in [0, 1] beyond it, at most


class ValueRange(NamedTuple):
    """What the scale of pictures is found by."""

    low: float = math.inf
    high: float = -math.inf
    is_whole: bool = True  # no value has a fraction

    def join(self, other: ValueRange) -> ValueRange:
        """Return the range of the values of both."""
        is_whole = self.is_whole and other.is_whole
        return ValueRange(min(self.low, other.low), max(self.high, other.high), is_whole)


class PixelScale(NamedTuple):
    """Pixels become (x - low) / span, from 0 to 1; or, as bytes, from 0 to 255."""

    low: float
    span: float
    is_bytes: bool = False
    note: str = ""


class ArrayReading(NamedTuple):
    """How an array becomes examples."""

    layout: ArrayLayout
    scale: PixelScale | None = None  # of pictures; None leaves values as they are

    def find_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the type of examples made of values of that type."""
        if self.scale is not None:
            return BYTE if self.scale.is_bytes else SINGLE
        return BYTE if self.layout.is_image and dtype == np.uint8 else SINGLE

    def convert(self, values: Array) -> Array:
        """Return examples (n, *input_shape), uint8 or float32, of values of the array's layout."""
        x, dtype = self.layout.arrange(values), self.find_dtype(values.dtype)
        if self.scale is None:
            with np.errstate(over="ignore"):  # infinite values are looked for elsewhere
                return x.astype(dtype, copy=False)
        low, span, is_bytes, _ = self.scale
        if is_bytes:
            whole = x.astype(np.int16)
            return ((whole - int(low)) * (255 // int(span))).astype(np.uint8)
        wide = np.float64 if x.dtype.itemsize > 4 else np.float32
        scaled = np.subtract(x, low, dtype=wide)
        np.divide(scaled, span, out=scaled)
        return scaled.astype(np.float32).clip(0, 1)


def measure_range(x: Array) -> ValueRange:
    """Return the range of finite values."""
    if not x.size:
        return ValueRange()
    is_whole = x.dtype.kind != "f" or bool((x == np.rint(x)).all())
    return ValueRange(float(x.min()), float(x.max()), is_whole)


def choose_pixel_scale(values: ValueRange, dtype: np.dtype[Any], name: str) -> PixelScale | None:
    """Return the scale of pictures with these values; None where they are right as they are.

    Bytes and floats in [0, 1] are; others are taken as the usual range that they lie in.
    """
    low, high, is_whole = values
    if not low <= high or (dtype.kind == "f" and low >= 0 and high <= 1):
        return None
    is_in_bytes = low >= 0 and high <= 255 and is_whole
    if is_in_bytes and high <= 1:
        told = f"{name} holds 0 and 1 alone: read as black and white."
        return PixelScale(0, 1, is_bytes=True, note=told)
    if dtype == np.uint8:
        return None
    if is_in_bytes and high > MIN_BYTE_RANGE:
        told = f"The pixels of {name} are read as 0 to 255, divided by 255."
        return PixelScale(0, 255, is_bytes=True, note=told)
    found = f"The pixels of {name} go from {low:.4g} to {high:.4g}:"
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return PixelScale(0, 1, note=f"{found} those outside of 0 to 1 are cut off.")
    if low >= 0:
        span = _choose_largest(high)
        kind = "" if span == high else f"as 0 to {span:.5g}, "
        return PixelScale(0, span, note=f"{found} read {kind}divided by {span:.5g}.")
    if low >= -1 and high <= 1:
        return PixelScale(-1, 2, note=f"{found} read as -1 to 1, moved to 0 to 1.")
    if dtype == np.int8:
        told = f"{found} read as -128 to 127, moved to 0 to 255."
        return PixelScale(-128, 255, is_bytes=True, note=told)
    span = high - low if high > low else 1.0
    return PixelScale(low, span, note=f"{found} scaled to 0 to 1 by these.")


def _choose_largest(high: float) -> float:
    """Return the largest value of the bit depth that is in use; `high` where it is none."""
    if high <= MIN_BYTE_RANGE:
        return high
    return next((largest for largest in LARGEST_VALUES if high <= largest), high)


def check_finite(
    x: Array, name: str, allow_missing: bool = False, rows: Array | None = None
) -> None:
    """Raise DataError where float32 cannot hold a value of x; NaN passes if `allow_missing`.

    `rows` are the positions of these examples in the whole set, which an error then names.
    """
    if x.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        single = x.astype(np.float32, copy=False)
    wrong = np.isinf(single) if allow_missing else ~np.isfinite(single)
    if not wrong.any():
        return
    first, *rest = (int(i) for i in np.argwhere(wrong)[0])
    position = f"column {rest[0]}" if len(rest) == 1 else f"position {tuple(rest)}"
    row = first if rows is None else int(rows[first])
    among = "" if rows is None else f" among rows {int(rows.min())} to {int(rows.max())}"
    nan_count, inf_count = int(np.isnan(single).sum()), int(np.isinf(single).sum())
    can_keep = nan_count > 0 and x.ndim == 2 and not allow_missing
    hint = ", or set data.missing to keep" if can_keep else ""
    raise DataError(
        f"{name} holds {nan_count} NaN and {inf_count} infinite values{among}, the first in row "
        f"{row}, {position} (counted from 0). Remove or fill them{hint}."
    )
