"""The size that pictures of several sizes are read in."""

from __future__ import annotations

from collections.abc import Mapping

SIDES = (16, 28, 32, 64)  # pixels, of squares that pictures of several sizes are read as


def choose_side(sizes: Mapping[tuple[int, int], int]) -> int | None:
    """Return the side of the squares that pictures of these (width, height) are best read as.

    None as they are: of one size that is not larger than the largest of SIDES, or unknown. Else the
    largest of SIDES that no picture must be enlarged for.
    """
    if not sizes or (len(sizes) == 1 and max(map(max, sizes)) <= SIDES[-1]):
        return None
    shortest = min(map(min, sizes))
    return max([side for side in SIDES if side <= shortest], default=SIDES[0])


def describe_resizing(sizes: Mapping[tuple[int, int], int], side: int) -> str:
    """Return the note on pictures that are made squares of a side."""
    small, large = min(sizes, key=_count_pixels), max(sizes, key=_count_pixels)
    found = f"{large[0]} x {large[1]} pixels"
    if len(sizes) > 1:
        found = f"{len(sizes)} sizes, {small[0]} x {small[1]} to {found}"
    return (
        f"Pictures of {found}, are cropped to the square in their middle and resized to "
        f"{side} x {side}."
    )


def _count_pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]
