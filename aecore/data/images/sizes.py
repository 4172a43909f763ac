"""The size that pictures of several sizes are read in."""

from __future__ import annotations

from collections.abc import Mapping

SIDES = (16, 28, 32, 64)  # pixels, of squares that pictures of several sizes are read as


FEW = 0.05  # of the pictures


def choose_side(sizes: Mapping[tuple[int, int], int]) -> int | None:
    """Return the side of the squares that pictures of these (width, height) are best read as.

    None as they are: of one size that is not larger than the largest of SIDES, or unknown. Else the
    largest of SIDES that few pictures must be enlarged for.
    """
    if not sizes or (len(sizes) == 1 and max(map(max, sizes)) <= SIDES[-1]):
        return None
    allowed = FEW * sum(sizes.values())
    return max([s for s in SIDES if count_smaller(sizes, s) <= allowed], default=SIDES[0])


def count_smaller(sizes: Mapping[tuple[int, int], int], side: int) -> int:
    """Return how many pictures have an edge that is shorter than a side."""
    return sum(count for size, count in sizes.items() if min(size) < side)


def describe_resizing(sizes: Mapping[tuple[int, int], int], side: int) -> str:
    """Return the note on pictures that are made squares of a side."""
    small, large = min(sizes, key=_count_pixels), max(sizes, key=_count_pixels)
    found = f"{large[0]} x {large[1]} pixels"
    if len(sizes) > 1:
        found = f"{len(sizes)} sizes, {small[0]} x {small[1]} to {found}"
    smaller = count_smaller(sizes, side)
    enlarged = f" Smaller ones are enlarged: {smaller:,}." if smaller else ""
    return (
        f"Pictures of {found}, are cropped to the square in their middle and resized to "
        f"{side} x {side}.{enlarged}"
    )


def _count_pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]
