"""Which axis of an array is which: examples, channels, height and width, found by its shape."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from aecore.data.raw import Array
from aecore.errors import DataError
from aecore.model.data_config import MAX_CHANNELS

USUAL_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
MIN_PICTURE_SIDE = 8  # of what may be one picture in colour, H x W x 3
SQUARE_ROWS = 64  # values of a row of bytes that may well be a picture of 8 x 8 or more


class ArrayLayout(NamedTuple):
    """How the values of an array are arranged as examples."""

    axes: tuple[int, ...]  # the array's axes in the order examples, channels, height, width
    input_shape: tuple[int, ...]  # of one example: (features,) or (channels, height, width)
    note: str = ""  # what was guessed from several possibilities

    @property
    def has_examples_first(self) -> bool:
        """True where each example lies in one piece."""
        return self.axes[0] == 0

    @property
    def is_image(self) -> bool:
        """True for pictures, False for rows."""
        return len(self.input_shape) == 3

    def arrange(self, x: Array) -> Array:
        """Return a view of an array of this layout, or of its first examples: (n, *input_shape)."""
        x = x.transpose(self.axes)
        return x[:, None] if x.ndim == len(self.input_shape) else x


def make_plain_layout(shape: tuple[int, ...]) -> ArrayLayout:
    """Return the layout of N x features, N x H x W or N x C x H x W, nothing else considered."""
    inner = shape[1:]
    return ArrayLayout(tuple(range(len(shape))), (1, *inner) if len(inner) == 2 else inner)


def find_array_layout(
    shape: tuple[int, ...], dtype: np.dtype[Any], name: str, count: int | None = None
) -> ArrayLayout:
    """Return how an array of this shape is read; `count` examples have labels, where known.

    Raises DataError where its values are neither rows nor pictures.
    """
    check_number_type(dtype, name)
    if shape and shape[0] == 0:
        raise DataError(
            f"{name} has shape {shape}: it holds no examples. Fill it, or leave it out."
        )
    if len(shape) not in (2, 3, 4) or 0 in shape[1:]:
        raise DataError(
            f"{name} has shape {shape}; it must be N x features, N x H x W, N x C x H x W or "
            "N x H x W x C. Reshape it, or save its pictures or rows one by one."
        )
    if len(shape) == 2:
        return make_plain_layout(shape)._replace(note=_describe_bytes(shape, dtype, name))
    return (_find_grey_layout if len(shape) == 3 else _find_colour_layout)(shape, name, count)


def check_number_type(dtype: np.dtype[Any], name: str) -> None:
    """Raise DataError for values that are no real numbers."""
    if dtype.kind == "c":
        raise DataError(
            f"{name} holds {dtype}, complex numbers; it must hold real numbers. "
            "Save their real and imaginary parts, or their magnitudes."
        )
    if dtype.kind not in "fiub":
        what = f"records of {', '.join(dtype.names)}" if dtype.names else str(dtype)
        raise DataError(f"{name} holds {what}; it must hold real numbers. Save these alone.")


def _describe_bytes(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> str:
    side = math.isqrt(shape[1])
    if dtype != np.uint8 or shape[1] < SQUARE_ROWS or side**2 != shape[1]:
        return ""
    return (
        f"{name} is read as rows of {shape[1]} numbers. If they are pictures of {side} x {side}, "
        f"save it as N x {side} x {side}."
    )


def _find_grey_layout(shape: tuple[int, ...], name: str, count: int | None) -> ArrayLayout:
    first, second, last = shape
    if count in (first, last) and first != last:
        has_examples_last = count == last
    else:
        if last in (3, 4) and _is_near_square(first, second):
            raise DataError(
                f"{name} has shape {shape}: one picture of {first} x {second} pixels in {last} "
                "channels, it seems. A set needs several: give an axis of pictures first, "
                f"N x {first} x {second} x {last}."
            )
        has_examples_last = first == second != last
        if has_examples_last and last <= MAX_CHANNELS:
            raise DataError(
                f"{name} has shape {shape}, which may be one picture of {last} channels or {last} "
                "pictures along the last axis. Give the axis of pictures first: numpy.moveaxis."
            )
    if has_examples_last:
        return ArrayLayout(
            (2, 0, 1),
            (1, first, second),
            f"The pictures of {name} lie along its last axis: read as {last} of {first} x {second}"
            " pixels.",
        )
    note = ""
    if first in USUAL_CHANNELS and _is_near_square(second, last):
        note = (
            f"{name} is read as {first} pictures of {second} x {last} pixels. If it is one picture"
            " in channels, a set needs several."
        )
    return make_plain_layout(shape)._replace(note=note)


def _is_near_square(height: int, width: int) -> bool:
    return min(height, width) >= MIN_PICTURE_SIDE and max(height, width) <= 3 * min(height, width)


def _find_colour_layout(shape: tuple[int, ...], name: str, count: int | None) -> ArrayLayout:
    last = shape[3]
    is_matlab = shape[2] in USUAL_CHANNELS and last > MAX_CHANNELS and shape[1] > MAX_CHANNELS
    if is_matlab and count in (None, last):
        return ArrayLayout(
            (3, 2, 0, 1),
            (shape[2], shape[0], shape[1]),
            f"The pictures of {name} lie along its last axis: read as {last} of {shape[0]} x "
            f"{shape[1]} pixels in {_format_channels(shape[2])}.",
        )
    if _has_channels_first(shape, name):
        layout = make_plain_layout(shape)
    else:
        channels = _format_channels(last)
        layout = ArrayLayout(
            (0, 3, 1, 2),
            (last, *shape[1:3]),
            f"The channels of {name} come last: read as pictures of {shape[1]} x {shape[2]} "
            f"pixels in {channels}.",
        )
    if layout.input_shape[0] == 4:
        told = f"The four channels of {name} are kept as they are, the fourth may be transparency."
        layout = layout._replace(note=f"{layout.note} {told}".strip())
    return layout


def _format_channels(count: int) -> str:
    return "one channel" if count == 1 else f"{count} channels"


def _has_channels_first(shape: tuple[int, ...], name: str) -> bool:
    """Return True for N x C x H x W, False for N x H x W x C."""
    first, height, width, last = shape[1], *shape[2:], shape[3]
    if first in (1, 3):
        return True
    if first > MAX_CHANNELS and last > MAX_CHANNELS:
        raise DataError(
            f"{name} has shape {shape}, so {min(first, last)} channels or more, or volumes; "
            f"pictures have 1 to {MAX_CHANNELS} channels. Keep some of them, or save the slices "
            "one by one as N x H x W."
        )
    if first > MAX_CHANNELS or last > MAX_CHANNELS:
        return first <= MAX_CHANNELS
    if (height == width) != (first == height):  # pictures are square more often than not
        return height == width
    if (first in USUAL_CHANNELS) != (last in USUAL_CHANNELS):
        return first in USUAL_CHANNELS
    return first <= last
