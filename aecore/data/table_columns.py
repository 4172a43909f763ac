"""Columns of a table and features of a model: numbers as they are, words as ones and zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aecore.data.raw import Array, format_count
from aecore.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


MAX_WORDS = 20
"""A column of this many different words or fewer becomes a column of zeros and ones for each."""


def keep_usable_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that can become numbers, and a note for each one changed or left out.

    Words of few kinds become a column each, named `colour=red`; in columns that are mostly numbers,
    words count as missing; empty and constant columns, long texts and dates are left out.
    """
    import pandas as pd

    usable: dict[str, pd.Series] = {}
    notes: list[str] = []
    for name in frame.columns:
        columns, note = _convert_column(name, frame[name])
        usable |= columns
        if note:
            notes.append(note)
    return pd.DataFrame(usable, index=frame.index), notes


def parse_numbers(column: pd.Series) -> pd.Series:
    """Return the column as float64: a finite number where a cell holds one, NaN elsewhere."""
    import pandas as pd

    if column.dtype.kind == "M":
        return pd.Series(np.nan, column.index)
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    return numbers.replace([np.inf, -np.inf], np.nan)


def match_columns(
    frame: pd.DataFrame, columns: Sequence[str], table_name: str = "This table"
) -> Array:
    """Return the rows of a table as features of a model: (N, len(columns)) float32.

    `columns` are those that `read_table` gave for the table that the model was trained on. They are
    found by name, `colour=red` in the column `colour`; other cells than numbers are NaN. Raises
    DataError with the names of missing columns.
    """
    missing, features = [], []
    for column in columns:
        source = next((name for name in frame.columns if column.startswith(f"{name}=")), None)
        if column in frame.columns:
            features.append(parse_numbers(frame[column]))
        elif source is not None:
            features.append(_is_word(frame[source], column.removeprefix(f"{source}=")))
        else:
            missing.append(repr(column))
    if missing:
        raise DataError(
            f"{table_name} lacks {format_count(len(missing), 'column')} that the model knows: "
            f"{list_few(missing)}."
        )
    return np.stack([feature.to_numpy(dtype=np.float32) for feature in features], axis=1)


def fill_table(frame: pd.DataFrame, columns: Sequence[str], x: Array) -> pd.DataFrame:
    """Return the table with its missing cells taken from x (N, len(columns)).

    The columns of x are those of `match_columns`. Known cells, and columns that the model does not
    know, stay as they are; of `colour=...` the word with the largest value is taken.
    """
    filled = frame.copy()
    for name in frame.columns:
        values: Array | None
        if name in columns:
            cells = parse_numbers(frame[name])
            values = x[:, list(columns).index(name)].astype(np.float64)
        else:
            cells = frame[name].astype(object)
            values = _choose_words(name, columns, x)
        holes = cells.isna().to_numpy()
        if values is not None and holes.any():
            filled[name] = np.where(holes, values, cells.to_numpy())
    return filled


def find_first_word(column: pd.Series) -> str:
    """Return the first cell that is not a number, in at most 40 characters."""
    import pandas as pd

    texts = column.dropna().astype(str)
    words = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if not len(texts):
        return "nothing"
    return str((words if len(words) else texts).iloc[0])[:40]


def list_few(names: list[str], limit: int = 8) -> str:
    """Join the first names with commas, and say how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _convert_column(name: str, column: pd.Series) -> tuple[dict[str, pd.Series], str]:
    """Return the columns of numbers made of one column, and a note or an empty text."""
    if column.dtype.kind == "O":  # also lists and the like, which cannot be counted as they are
        column = column.astype(str).where(column.notna())
    known = int(column.notna().sum())
    if known == 0:
        return {}, f"{name!r} is empty and left out."
    if column.nunique() == 1 and known == len(column):
        return {}, f"{name!r} has one value only and is left out."
    numbers = parse_numbers(column)
    number_count = int(numbers.notna().sum())
    if number_count >= known / 2:
        return {name: numbers}, _describe_lost_cells(name, column, known - number_count)
    if column.dtype.kind in "OUT" and column.astype(str).nunique() <= MAX_WORDS:
        words = sorted(column.dropna().astype(str).unique())
        note = f"{name!r} holds {format_count(len(words), 'word')}: a column for each."
        return {f"{name}={word}": _is_word(column, word) for word in words}, note
    return {}, f"{name!r} holds {column.nunique():,} different texts or dates and is left out."


def _describe_lost_cells(name: str, column: pd.Series, count: int) -> str:
    if count == 0:
        return ""
    cells = format_count(count, "cell")
    verb = "is" if count == 1 else "are"
    return f"{cells} of {name!r} such as {find_first_word(column)!r} {verb} taken as missing."


def _is_word(column: pd.Series, word: str) -> pd.Series:
    """Return 1 where a cell is the word, 0 where it is another, NaN where it is missing."""
    return (column.astype(str) == word).astype(np.float64).where(column.notna())


def _choose_words(name: str, columns: Sequence[str], x: Array) -> Array | None:
    """Return the word of the largest feature `name=word` in each row; None if there is none."""
    positions = [i for i, column in enumerate(columns) if column.startswith(f"{name}=")]
    if not positions:
        return None
    words = np.array([columns[i].removeprefix(f"{name}=") for i in positions], dtype=object)
    return words[x[:, positions].argmax(1)]
