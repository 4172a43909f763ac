"""Finds the column that holds the label of a table, by its name and its cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aecore.data.tables.column_reading import MAX_CLASSES, is_class_number
from aecore.data.tables.column_values import ReadColumn, Table
from aecore.names import list_few

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_NAMES = ("class", "label", "labels", "target", "species", "category", "diagnosis", "klasse")
"""What a column of classes may be called."""
VERDICT_NAME = re.compile(
    r"is[_ ].*|y|(.*[_ ])?(label|class|target|fraud(ulent)?|anomal(y|ous)|outlier|attack|defect)"
    r"([_ ].*)?",
    re.IGNORECASE,
)
"""What a column of two values may be called that tells what a model is to find."""
LABEL_HINT = "choose it as Label (data.label), else the model is given the answer."
NUMBER_NAMES = ("target", "label", "y")  # may also name a number to predict


def find_target(columns: Mapping[str, ReadColumn]) -> str | None:
    """Return the name of the column that is the label; None where no column is named like one.

    The last telling name wins; `y` is one where it is no coordinate beside `x`.
    """
    names = {name.strip().lower(): name for name in columns}
    telling = [name for small, name in names.items() if small in LABEL_NAMES]
    telling = [name for name in telling if _can_be_target(columns[name])]
    if telling:
        return telling[-1]
    name = names.get("y")
    is_label = name is not None and "x" not in names and _can_be_target(columns[name])
    return name if is_label else None


def describe_likely_labels(table: Table) -> tuple[str, ...]:
    """Return a sentence on inputs of two values that are named like a label, where none is chosen.

    They are not taken for it: many a table has such columns that are no answer.
    """
    if table.target is not None:
        return ()
    likely = [repr(column.name) for column in table.columns if _is_like_verdict(column)]
    if not likely:
        return ()
    verb = "looks" if len(likely) == 1 else "each look"
    return (f"{list_few(likely)} {verb} like a label: if so, {LABEL_HINT}",)


def _is_like_verdict(column: ReadColumn) -> bool:
    import pyarrow.compute as pc

    is_named = column.is_input and VERDICT_NAME.fullmatch(column.name.strip()) is not None
    return is_named and bool(pc.count_distinct(column.values).as_py() == 2)


def _can_be_target(column: ReadColumn) -> bool:
    import pyarrow.compute as pc

    kind, values = column.options.kind, column.values
    if kind in ("category", "ordered", "boolean"):
        return True
    if kind == "id" and column.name.strip().lower() in NUMBER_NAMES:
        return _holds_numbers(values)
    if kind == "number":
        return is_class_number(values) or column.name.strip().lower() in NUMBER_NAMES
    if kind == "text":
        known = len(values) - values.null_count
        return bool(pc.count_distinct(values).as_py() <= min(MAX_CLASSES, known / 2))
    return False


def _holds_numbers(values: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    try:
        values.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True
