"""Changes of how the columns of a table are read: one at a time, the others stay as they are.

A schema is how each column is read, {name: options}; one that is not in it is inferred again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aecore.model.columns import ColumnKind, ColumnOptions

if TYPE_CHECKING:
    from aecore.model.config import DataConfig

WORD_KINDS = ("category", "ordered", "target")  # which have the same words for missing cells

Schema = Mapping[str, ColumnOptions]


def choose_column_kind(
    schema: Schema, inferred: Schema, name: str, kind: ColumnKind
) -> dict[str, ColumnOptions]:
    """Return the schema in which one column is of another kind; what else it needs is inferred.

    A table has one target: with a new one, the former is read as inferred. `inferred` is the schema
    where nothing is chosen.
    """
    columns = clear_target(schema, inferred) if kind == "target" else dict(schema)
    former, guess = schema.get(name), inferred.get(name)
    if guess is not None and guess.kind == kind:
        return columns | {name: guess}
    keeps_missing = former is not None and {kind, former.kind} <= set(WORD_KINDS)
    missing = former.missing if former is not None and keeps_missing else ()
    return columns | {name: ColumnOptions(kind=kind, missing=missing)}


def clear_target(schema: Schema, inferred: Schema) -> dict[str, ColumnOptions]:
    """Return the schema without a target: its column is read as inferred."""
    columns, former = dict(schema), find_schema_target(schema)
    columns.pop(former, None)
    guess = inferred.get(former)
    return columns if guess is None or guess.kind == "target" else columns | {former: guess}


def find_schema_target(schema: Schema) -> str:
    """Return the name of the column that holds the label; empty where there is none."""
    return next((name for name, options in schema.items() if options.kind == "target"), "")


def set_schema(config: DataConfig, schema: Schema) -> DataConfig:
    """Return the config that reads a table by a schema, and takes no other column for the label."""
    label = find_schema_target(schema)
    return config.model_copy(update={"columns": dict(schema), "label": label})
