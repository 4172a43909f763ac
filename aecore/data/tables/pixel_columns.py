"""Tables whose columns are pixels, as pictures are exchanged in competitions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from aecore.data.raw import Array
from aecore.data.tables.column_values import ReadColumn
from aecore.errors import DataError

PIXEL_NAME = re.compile(r"(?:pixel|pix|px)[_ .\-]?\d+|\d+x\d+|pixel\[\d+\]", re.IGNORECASE)
LEAST_SIDE = 8  # pixels
MAX_PIXEL = 255
PIXEL_HINT = "set data.pixels to pictures to read them as such."


def find_pixel_columns(columns: Mapping[str, ReadColumn]) -> tuple[str, ...]:
    """Return the names of columns that are the pixels of grey squares; none where there are none.

    They are named like pixels, a square number of them, and hold whole numbers from 0 to 255.
    """
    names = tuple(name for name in columns if PIXEL_NAME.fullmatch(name))
    side = math.isqrt(len(names))
    if side < LEAST_SIDE or side * side != len(names):
        return ()
    return names if all(_holds_bytes(columns[name]) for name in names) else ()


def _holds_bytes(column: ReadColumn) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.options.kind not in ("number", "count", "ignored") or column.missing:
        return False
    values = column.values
    try:  # what is left out, a constant, is as it was in the file
        values = values.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    bounds = pc.min_max(values).as_py()
    return bounds["min"] is not None and bounds["min"] >= 0 and bounds["max"] <= MAX_PIXEL


def describe_pixels(names: Sequence[str]) -> str:
    """Return a sentence on a table of pixels."""
    side = math.isqrt(len(names))
    return f"{names[0]} to {names[-1]} look like pictures of {side} x {side} pixels: {PIXEL_HINT}"


def make_pictures(columns: Sequence[ReadColumn], file_name: str) -> Array:
    """Return pictures (N, 1, side, side) as uint8 of columns of pixels, row by row."""
    side = math.isqrt(len(columns))
    rows = len(columns[0].values)
    pixels = np.empty((rows, len(columns)), np.uint8)
    for i, column in enumerate(columns):
        if column.missing:
            raise DataError(f"{file_name} has no pixel in a cell of {column.name!r}. Fill it.")
        pixels[:, i] = column.values.to_numpy()
    return pixels.reshape(rows, 1, side, side)
