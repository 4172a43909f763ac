"""The division into training and test examples, held against itself: copies on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from aecore.data.raw import Array, format_count

if TYPE_CHECKING:
    from torch import Tensor

COMPARED_ROWS = 300_000
"""Examples that are compared at most: a second of hashing."""

COMPARED_BYTES = 10**9
PART_ROWS = 4096


def describe_groups(
    train: Tensor | None, test: Tensor | None, name: str | None, has_own: bool
) -> list[str]:
    """Return a sentence on a division by the column or array `name`; none without groups.

    The groups of training (N,) and test examples (M,). `has_own` tells that the set came with a
    division of its own.
    """
    if train is None or test is None:
        return []
    sizes = [format_count(len(groups.unique()), "group") for groups in (train, test)]
    own = ", not as the set itself is divided" if has_own else ""
    return [f"Divided by {name!r}{own}: {sizes[0]} to train, {sizes[1]} to test."]


def describe_copies(train: Tensor, test: Tensor) -> list[str]:
    """Return a sentence on test examples (M, ...) that are training examples (N, ...) as well."""
    count = count_shared_examples(train, test)
    if count is None:
        return ["The set is too large to count the test examples that are training ones too."]
    if not count:
        return []
    verb = "is also a training example" if count == 1 else "are also training examples"
    return [
        f"{count:,} of {format_count(len(test), 'test example')} {verb}, value by value: "
        "test figures look better than they are."
    ]


def count_shared_examples(train: Tensor, test: Tensor) -> int | None:
    """Return how many test examples (M, ...) equal a training example (N, ...), value by value.

    Missing cells equal each other. None for sets so large that comparing them would take long.
    """
    rows = len(train) + len(test)
    if rows > COMPARED_ROWS or rows * test[0].numel() * test.element_size() > COMPARED_BYTES:
        return None
    known = set(_hash_examples(test))
    known.intersection_update(_hash_examples(train))
    return sum(value in known for value in _hash_examples(test))


def _hash_examples(x: Tensor) -> Iterator[int]:
    """Yield a hash of 64 bits of each example."""
    for part in x.split(PART_ROWS):
        yield from (hash(row.tobytes()) for row in _normalise_values(part))


def _normalise_values(x: Tensor) -> Array:
    """Return examples as rows in which equal values have equal bits: (N, values)."""
    values: Array = x.flatten(1).numpy()
    if values.dtype.kind == "f":
        values = values + 0.0  # minus zero is zero
        values[np.isnan(values)] = np.nan
    return values
