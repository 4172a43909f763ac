"""Missing cells of a table, counted as cells of its columns and not as inputs of a model."""

from __future__ import annotations

from collections.abc import Mapping

from aecore.data.raw import Array, format_count
from aecore.data.tables.columns import list_column_slices
from aecore.model.columns import ColumnOptions

MEAN, WORDS = "column's mean", "column's shares of words"


def count_missing_cells(gaps: Array, schema: Mapping[str, ColumnOptions]) -> dict[str, int]:
    """Return the number of missing cells by what stands for them: MEAN, or WORDS of a category.

    `gaps` (features,) counts the rows in which a feature is missing; without a schema that fits,
    every feature is a column of numbers.
    """
    slices = list_column_slices(schema)
    if not slices or max(part.stop for part in slices.values()) != len(gaps):
        return {MEAN: int(gaps.sum())}
    counts = {MEAN: 0, WORDS: 0}
    for name, part in slices.items():
        counts[WORDS if schema[name].kind == "category" else MEAN] += int(gaps[part.start])
    return counts


def describe_replaced_cells(gaps: Array, schema: Mapping[str, ColumnOptions]) -> str:
    """Return what missing cells are taken as; empty where none is missing."""
    return " ".join(
        f"{format_count(count, 'missing cell')} "
        f"{'is taken as its' if count == 1 else 'are taken as their'} {stand_in} in training."
        for stand_in, count in count_missing_cells(gaps, schema).items()
        if count
    )
