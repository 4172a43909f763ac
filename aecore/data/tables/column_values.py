"""A column and a table as they are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aecore.data.tables.column_words import drop_empty_cells
from aecore.data.tables.csv_format import PLAIN_CSV, CsvFormat
from aecore.data.tables.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import LEFT_OUT_KINDS, ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa


EMPTY_NOTE = "Empty, left out."
LEFT_OUT_NOTES = {
    "text": "Text, left out.",
    "id": "A key or an index, left out.",
    "ignored": "Left out.",
}


class ReadColumn(NamedTuple):
    """One column of a table as it is understood."""

    name: str
    options: ColumnOptions  # complete: kind, words, unit ...
    values: pa.ChunkedArray  # double, int64, string, bool or timestamp; left out: as they were
    missing: int
    note: str
    texts: pa.ChunkedArray | None = None  # of dates that are written as text: as the file has them

    @property
    def is_input(self) -> bool:
        """True where a model gets the column."""
        return self.options.kind not in (*LEFT_OUT_KINDS, "target")


class Table(NamedTuple):
    """A table as it is understood."""

    columns: tuple[ReadColumn, ...]  # in the file's order, those left out too
    notes: tuple[str, ...]  # on the file as a whole
    csv: CsvFormat = PLAIN_CSV  # how its file is written, as what is made of it will be

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].values) if self.columns else 0

    @property
    def schema(self) -> dict[str, ColumnOptions]:
        """How each column is read, by its name."""
        return {column.name: column.options for column in self.columns}

    @property
    def target(self) -> str | None:
        """The name of the column that holds the label; None where there is none."""
        return next((c.name for c in self.columns if c.options.kind == "target"), None)


def join_notes(*notes: str) -> str:
    """Return sentences as one text, without those that are empty or said already."""
    return " ".join(dict.fromkeys(note for note in notes if note))


def leave_out(name: str, cells: PlainCells, options: ColumnOptions, note: str) -> ReadColumn:
    """Return a column that is no input, with the cells as they were."""
    import pyarrow as pa

    is_text = pa.types.is_string(cells.values.type)
    values = drop_empty_cells(cells.values) if is_text else cells.values
    note = note or LEFT_OUT_NOTES[options.kind]
    return ReadColumn(name, options, values, values.null_count, note)


def make_texts(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells as strings; DataError for lists and the like."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "True", "False")
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise DataError(
            f"Column {name!r} holds {values.type}, which is no word. Choose ignored for it."
        )
    return values.cast(pa.string())


def complete_options(options: ColumnOptions, **values: Any) -> ColumnOptions:
    """Return options with some of them set."""
    return options.model_copy(update=values)
