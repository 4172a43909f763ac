"""The division into training and test examples, held against itself: copies on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aecore.data.raw import Array, format_count

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.data.splits import Split
    from aecore.model.config import DataConfig

COMPARED_ROWS = 300_000
"""Examples that are compared at most: a second of hashing."""

COMPARED_BYTES = 10**9
PART_ROWS = 4096


def describe_division(train: Split, test: Split, config: DataConfig, has_own: bool) -> list[str]:
    """Return sentences on a division: by what it was made, and how many copies it has.

    `has_own` tells that the set came with a division of its own.
    """
    notes = []
    if config.split_by is not None and train.groups is not None and test.groups is not None:
        sizes = [format_count(len(part.unique()), "group") for part in (train.groups, test.groups)]
        own = ", not as the set itself is divided" if has_own else ""
        notes.append(
            f"Divided by {config.split_by!r}{own}: {sizes[0]} to train, {sizes[1]} to test."
        )
    count = count_shared_examples(train.x, test.x)
    if count is None:
        notes.append("The set is too large to count the test examples that are training ones too.")
    elif count:
        verb = "is also a training example" if count == 1 else "are also training examples"
        notes.append(
            f"{count:,} of {format_count(len(test.x), 'test example')} {verb}, value by value: "
            "test figures look better than they are."
        )
    return notes


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


def _hash_examples(x: Tensor) -> list[int]:
    """Return a hash of 64 bits of each example."""
    return [hash(row.tobytes()) for part in x.split(PART_ROWS) for row in _normalise_values(part)]


def _normalise_values(x: Tensor) -> Array:
    """Return examples as rows in which equal values have equal bits: (N, values)."""
    values: Array = x.flatten(1).numpy()
    if values.dtype.kind == "f":
        values = values + 0.0  # minus zero is zero
        values[np.isnan(values)] = np.nan
    return values
