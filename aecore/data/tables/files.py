"""Any file that holds a table becomes a frame of raw cells; nothing is read into them yet.

Files are known by what they hold: a .csv may be parted by tabs, compressed, or a workbook. The
steps are `contents` (which file, unpacked), `text`, `workbooks` for .xlsx and `parquet`.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aecore.data.raw import format_count
from aecore.data.tables.contents import (
    HEAD_BYTES,
    TABLE_SUFFIXES,
    find_table_source,
    holds_tables,
    identify_format,
)
from aecore.data.tables.csv_format import CsvFormat, choose_csv_format
from aecore.data.tables.headers import NAMELESS_PREFIX
from aecore.data.tables.parquet import read_parquet_table
from aecore.data.tables.separators import choose_dialect
from aecore.data.tables.text import read_text_table
from aecore.data.tables.workbooks import read_workbook
from aecore.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError)


class RawTable(NamedTuple):
    """A table as its file has it."""

    frame: pd.DataFrame  # columns in the file's order, names unique, without blanks around them
    decimal: str  # "." or ",": the mark before decimals, inferred over the whole file
    notes: tuple[str, ...]  # what was guessed or changed about the file as a whole
    separator: str = ""  # of the cells of a text

    @property
    def csv(self) -> CsvFormat:
        """How what is made of the table is written."""
        return choose_csv_format(self.separator, self.decimal)


def open_table(path: Path) -> RawTable:
    """Read any table as raw cells: text, text in .gz or .zip, a workbook, Parquet.

    Cells of text are text without the blanks around them, empty ones ""; those of workbooks and
    Parquet keep their types. All columns are of `pd.ArrowDtype`. Raises DataError.
    """
    separator = ""
    try:
        source = find_table_source(path)
        if source.format == "text":
            table, decimal, separator, notes = read_text_table(source)
        elif source.format == "workbook":
            table, decimal, notes = read_workbook(source)
        else:
            decimal, (table, notes) = ".", read_parquet_table(path)
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path.name} cannot be read ({reason}). Make it again.") from error
    table, more = drop_nameless_columns(table, source.name)
    return RawTable(make_raw_frame(table), decimal, (*notes, *more), separator)


def is_table_file(path: Path) -> bool:
    """Return True for a file that `open_table` reads or refuses with what to do about it.

    An archive is one if it holds tables and nothing else; a file of another name if its first
    lines are parted alike.
    """
    try:
        return path.is_file() and (holds_tables(path) or _is_parted(path))
    except (*DAMAGED, DataError):  # its name alone tells
        return path.suffix.lower() in TABLE_SUFFIXES


def _is_parted(path: Path) -> bool:
    """Return True for text of a name that tells nothing, whose first lines hold as many cells."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"\0" in head or identify_format(head, path.name) != "text":
        return False
    lines = head.decode("latin-1").splitlines(keepends=True)
    return len(lines) > 2 and choose_dialect(lines, True, path.name).separator != ""


def drop_nameless_columns(table: pa.Table, file_name: str) -> tuple[pa.Table, list[str]]:
    """Return the table without columns that have neither name nor value, and a note on them.

    Separators at the ends of lines make such columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def is_empty(column: pa.ChunkedArray) -> bool:
        if pa.types.is_string(column.type):
            return pc.all(pc.equal(pc.fill_null(column, ""), "")).as_py() is not False
        return column.null_count == len(column)

    nameless = [name for name in table.column_names if name.startswith(NAMELESS_PREFIX)]
    empty = [name for name in nameless if len(table) and is_empty(table[name])]
    if not empty:
        return table, []
    columns = format_count(len(empty), "column")
    return table.drop_columns(empty), [
        f"{file_name} has {columns} without a name and without a value, left out."
    ]


def make_raw_frame(table: pa.Table) -> pd.DataFrame:
    """Return the table as a frame that keeps its Arrow types; nothing is copied."""
    import pandas as pd

    return table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
