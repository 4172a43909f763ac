"""Cells of a table in words, from the features that a model works with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aecore.data.raw import Array
from aecore.data.tables.columns import list_column_slices, list_features
from aecore.data.tables.filling import decode_features
from aecore.model.columns import ColumnOptions

CERTAIN = 0.995  # a probability from which on it is not said


def describe_cells(schema: Mapping[str, ColumnOptions], features: Array) -> dict[str, str]:
    """Return each column of one example in words, by its name; features (F,) in the data's units.

    Words and flags stand with their probability where the features are no certain ones, `active
    97%`; numbers have four digits, missing cells are `missing`.
    """
    return {
        name: describe_cell(schema[name], features[part])
        for name, part in list_column_slices(schema).items()
    }


def has_described_cells(schema: Mapping[str, ColumnOptions]) -> bool:
    """Return whether some cells of a table are told in words: not all columns are numbers."""
    return any(schema[name].kind not in ("number", "count") for name in list_column_slices(schema))


def list_drawn_cells(schema: Mapping[str, ColumnOptions]) -> list[dict[str, Any]]:
    """Return how each cell is drawn, in order: its name, kind, features [from, to) and words.

    A date is several cells, one for each of its features. None where no column holds words.
    """
    cells: list[dict[str, Any]] = []
    for name, part in list_column_slices(schema).items():
        options = schema[name]
        words = list_cell_words(options)
        if words:
            places = [(name, part.start, part.stop)]
        else:
            names = list_features(name, options)
            places = [
                (n, i, i + 1) for n, i in zip(names, range(part.start, part.stop), strict=True)
            ]
        cells += [
            {"name": n, "kind": options.kind, "from": start, "to": stop, "words": words}
            for n, start, stop in places
        ]
    return cells if any(cell["words"] for cell in cells) else []


def list_cell_words(options: ColumnOptions) -> list[str]:
    """Return the words that a cell can be, in the order of its features or ranks."""
    if options.kind == "boolean":
        return [spell_cell(options, flag) for flag in (False, True)]
    return list(options.categories) if options.kind in ("category", "ordered") else []


def decode_columns(schema: Mapping[str, ColumnOptions], x: Array) -> dict[str, Array]:
    """Return features x (N, F) as columns (N,) of cells, by their names.

    Beside a column of words or flags stands the probability of each, `state_probability`.
    """
    columns: dict[str, Array] = {}
    for name, part in list_column_slices(schema).items():
        options, features = schema[name], x[:, part]
        decoded = decode_features(options, features)
        columns[name] = features[:, 0] if decoded is None else decoded
        if options.kind == "category":
            columns[f"{name}_probability"] = features.max(1).clip(0, 1)
        elif options.kind == "boolean":
            chances = np.maximum(features[:, 0], 1 - features[:, 0])
            columns[f"{name}_probability"] = chances.clip(0, 1)
            if len(options.categories) == 2:
                words = np.array(options.categories, object)
                columns[name] = words[columns[name].astype(np.int64)]
    return columns


def describe_cell(options: ColumnOptions, features: Array) -> str:
    """Return one cell in words, from the features (n,) of its column."""
    features = np.asarray(features, np.float64)
    if np.isnan(features).all():
        return "missing"
    decoded = decode_features(options, features[None])
    text = spell_cell(options, features[0] if decoded is None else decoded[0])
    if options.kind == "category":
        return _add_chance(text, features.max())
    if options.kind == "boolean":
        return _add_chance(text, max(features[0], 1 - features[0]))
    return f"{text}{_space_unit(options.unit)}" if options.kind in ("number", "count") else text


def spell_cell(options: ColumnOptions, cell: object) -> str:
    """Return a decoded cell as it is written: four digits of a number, a flag in its word."""
    if isinstance(cell, np.datetime64):
        if "hour" not in options.parts:  # its dates have no time of day
            cell = cell.astype("datetime64[D]")
        return str(cell).removesuffix("T00:00:00").replace("T", " ")
    if isinstance(cell, bool | np.bool_):
        return (options.categories or ("False", "True"))[int(cell)]
    if isinstance(cell, float | np.floating):
        number = float(cell)
        return f"{number:.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"
    return str(cell)


def _add_chance(text: str, chance: float) -> str:
    return text if chance >= CERTAIN or math.isnan(chance) else f"{text} {chance:.0%}"


def _space_unit(unit: str) -> str:
    return f" {unit}" if unit and len(unit) < 9 else ""
