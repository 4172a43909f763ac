"""The cells of a table that were filled: with what, how sure it is, and between what values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data.raw import Array
from aecore.data.tables.cells import spell_cell
from aecore.data.tables.columns import list_column_slices
from aecore.data.tables.filling import decode_features
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    import pandas as pd

WORD_KINDS = ("category", "boolean")


class FilledFeatures(NamedTuple):
    """Rows of a table in features (N, F): as they were, filled, and the ends of intervals."""

    x: Array  # NaN where a cell was missing
    filled: Array
    low: Array | None = None
    high: Array | None = None


def list_filled_cells(schema: Mapping[str, ColumnOptions], rows: FilledFeatures) -> pd.DataFrame:
    """Return a row for each cell that was filled, by column and row.

    `row` counts from 0. Words and flags have their `probability`, others `from` and `to`, where
    the interval ends, if there are intervals.
    """
    import pandas as pd

    parts = [
        list_filled_column(name, schema[name], part, rows)
        for name, part in list_column_slices(schema).items()
    ]
    return pd.concat(parts, ignore_index=True)


def list_filled_column(
    name: str, options: ColumnOptions, part: slice, rows: FilledFeatures
) -> pd.DataFrame:
    """Return the cells of one column that were filled."""
    import pandas as pd

    missing = np.isnan(rows.x[:, part]).all(1)
    features = rows.filled[missing, part]
    columns: dict[str, object] = {
        "row": np.flatnonzero(missing),
        "column": name,
        "filled": describe_values(options, features),
        "probability": compute_probabilities(options, features),
        "from": "",
        "to": "",
    }
    if options.kind not in WORD_KINDS and rows.low is not None and rows.high is not None:
        columns["from"] = describe_values(options, rows.low[missing, part])
        columns["to"] = describe_values(options, rows.high[missing, part])
    return pd.DataFrame(columns)


def compute_probabilities(options: ColumnOptions, features: Array) -> Array:
    """Return how likely the filled words or flags (N,) are, by their features; NaN for others."""
    if options.kind == "category":
        return features.max(1).astype(np.float64)
    if options.kind == "boolean":
        return np.maximum(features[:, 0], 1 - features[:, 0]).astype(np.float64)
    return np.full(len(features), np.nan)


def describe_values(options: ColumnOptions, features: Array) -> list[str]:
    """Return cells (N,) in words, by their features; numbers with four digits."""
    values = decode_features(options, features)
    return [spell_cell(options, value) for value in (features[:, 0] if values is None else values)]


def make_probability_columns(
    schema: Mapping[str, ColumnOptions], rows: FilledFeatures
) -> dict[str, Array]:
    """Return how likely each filled word or flag is, a column (N,) by `NAME_probability`.

    NaN stands where a cell was known.
    """
    columns = {}
    for name, part in list_column_slices(schema).items():
        if schema[name].kind in WORD_KINDS:
            missing = np.isnan(rows.x[:, part]).all(1)
            chances = compute_probabilities(schema[name], rows.filled[:, part])
            columns[f"{name}_probability"] = np.where(missing, chances, np.nan)
    return columns
