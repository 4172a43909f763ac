"""How columns were read before their kinds were kept: for runs and sets of that time."""

from __future__ import annotations

import numpy as np

from aecore.data.tables.column_keys import INDEX_NAME
from aecore.data.tables.column_words import count_words, drop_empty_cells
from aecore.data.tables.typed_cells import PlainCells
from aecore.model.columns import ColumnOptions

EARLIER_WORDS = 20
MISSING = (  # by pandas, in tables of text
    *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


def infer_earlier_options(name: str, cells: PlainCells, leave_out: bool) -> ColumnOptions:
    """Return how a column was read: numbers, words of few kinds, or left out.

    Without `leave_out` every column is one of numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.values.type
    is_text = pa.types.is_string(kind)
    if INDEX_NAME.fullmatch(name) and _counts_rows(cells):
        return ColumnOptions(kind="id")
    if not leave_out:
        return ColumnOptions(kind="number", missing=MISSING if is_text else ())
    if not is_text:
        constant = cells.values.null_count == 0 and pc.count_distinct(cells.values).as_py() == 1
        usable = (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        )
        empty = cells.values.null_count == len(cells.values)
        return ColumnOptions(kind="number" if usable and not constant and not empty else "ignored")
    return _infer_text_options(cells)


def _infer_text_options(cells: PlainCells) -> ColumnOptions:
    import pandas as pd

    words = count_words(drop_empty_cells(cells.values))
    listed = pd.Series(words.list_all(), dtype=object)
    known = ~listed.isin(MISSING).to_numpy()
    rows = int(words.counts[known].sum())
    if rows == 0 or (known.sum() == 1 and rows == len(cells.values)):
        return ColumnOptions(kind="ignored")
    numbers = pd.to_numeric(listed[known], errors="coerce").astype(np.float64)
    is_number = np.isfinite(numbers.to_numpy())
    if words.counts[known][is_number].sum() >= rows / 2:
        return ColumnOptions(kind="number", missing=MISSING)
    texts = sorted(listed[known])
    if set(texts) == {"True", "False"} and rows == len(cells.values):
        return ColumnOptions(kind="boolean")
    if len(texts) > EARLIER_WORDS:
        return ColumnOptions(kind="ignored")
    return ColumnOptions(kind="category", categories=tuple(texts), missing=MISSING)


def _counts_rows(cells: PlainCells) -> bool:
    import pyarrow as pa

    try:
        numbers = cells.values.cast(pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return bool(np.array_equal(numbers, np.arange(len(numbers))))
