"""Tables in workbooks (.xlsx), read by openpyxl: the first sheet that holds one."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from aecore.data.memory import check_data_bytes
from aecore.data.tables.bounds import check_table_size
from aecore.data.tables.contents import TableSource
from aecore.data.tables.decimal_marks import infer_decimal
from aecore.data.tables.headers import find_header
from aecore.data.tables.workbook_bounds import SheetFacts, examine_workbook
from aecore.data.tables.workbook_columns import make_cell_column, write_cell
from aecore.errors import DataError
from aecore.names import clean_name, list_few

if TYPE_CHECKING:
    import pyarrow as pa

HEAD_ROWS = 200
MAX_ROWS = 1_048_576  # of a sheet
CHECK_EVERY = 1000  # rows
BYTES_OF_EMPTY = 8  # of a cell that holds nothing, in memory
Cells = list[Any]


class Sheet(NamedTuple):
    """The sheet that is read, and what is known of it."""

    rows: Any  # openpyxl's worksheet
    facts: SheetFacts
    notes: list[str]


def read_workbook(source: TableSource) -> tuple[pa.Table, str, list[str]]:
    """Return the table of a workbook, the mark before decimals in its texts, and notes.

    Columns have the type of their cells, formulas their stored values. Raises DataError.
    """
    from openpyxl import load_workbook

    try:
        with source.open_seekable() as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on styles and the like, which are not used
            with zipfile.ZipFile(stream) as archive:
                parts = examine_workbook(archive, source.name)
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            return _read_sheet(_choose_sheet(book, parts, source.name), source.name)
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part leads to
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{source.name} is not a readable workbook ({reason}). Save it again as .xlsx or .csv."
        ) from error


def _choose_sheet(book: Any, parts: dict[str, SheetFacts], file_name: str) -> Sheet:
    """Return the first sheet that holds a table, else the first with any cell."""
    sheets = sorted(book.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
    heads = {sheet.title: _peek(sheet, file_name) for sheet in sheets}
    filled = [sheet for sheet in sheets if heads[sheet.title]]
    if not filled:
        raise DataError(f"{file_name} has no cells with anything in them. Fill a sheet.")
    chosen = next((sheet for sheet in filled if _is_table(heads[sheet.title])), filled[0])
    others = [clean_name(sheet.title) for sheet in filled if sheet is not chosen]
    notes = []
    if others:
        some = list_few(map(repr, others), 5)
        verb = "is" if len(others) == 1 else "are"
        notes.append(
            f"Of {file_name} the sheet {clean_name(chosen.title)!r} is read; {some} {verb} not."
        )
    path = str(getattr(chosen, "_worksheet_path", ""))
    return Sheet(chosen, parts.get(path, SheetFacts([], False)), notes)


def _peek(sheet: Any, file_name: str) -> list[Cells]:
    """Return the first rows that are not empty."""
    sheet.reset_dimensions()  # what a file says of its size need not be true
    return list(islice(_iterate_cells(sheet, SheetFacts([], False), file_name), HEAD_ROWS))


def _is_table(head: list[Cells]) -> bool:
    """Return True for at least two rows of at least two cells."""
    return sum(sum(cell is not None for cell in row) > 1 for row in head) > 1


def _iterate_cells(sheet: Any, facts: SheetFacts, file_name: str) -> Iterator[Cells]:
    """Yield the values of all rows that are not empty; merged ones are the same in every row."""
    from openpyxl.utils import column_index_from_string

    starts: dict[int, list[tuple[int, int]]] = {}
    for column, first, last in facts.merged:
        starts.setdefault(first, []).append((column_index_from_string(column) - 1, last))
    merged: dict[int, tuple[int, Any]] = {}
    cells = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        row = list(values)
        cells += len(row)
        if number % CHECK_EVERY == 1 or len(row) > CHECK_EVERY:
            _check_extent(number, len(row), cells, file_name)
        merged = {place: kept for place, kept in merged.items() if kept[0] >= number}
        for place, (_, value) in merged.items():
            if place < len(row) and row[place] is None:
                row[place] = value
        for place, last in starts.get(number, ()):
            if place < len(row):
                merged[place] = (last, row[place])
        if any(cell is not None and cell != "" for cell in row):
            yield row


def _check_extent(rows: int, width: int, cells: int, file_name: str) -> None:
    """Raise DataError for a sheet that reaches too far, by the rows so far and the last of them."""
    if rows > MAX_ROWS:
        raise DataError(f"{file_name} has a row beyond {MAX_ROWS:,}. Save it again.")
    check_table_size(1, width, file_name)
    check_data_bytes(cells * BYTES_OF_EMPTY, file_name)


def _read_sheet(sheet: Sheet, file_name: str) -> tuple[pa.Table, str, list[str]]:
    import pyarrow as pa

    rows = list(_iterate_cells(sheet.rows, sheet.facts, file_name))
    width = max(map(len, rows))
    check_table_size(len(rows), width, file_name)
    head = [[write_cell(cell) for cell in _fill(row, width)] for row in rows[:HEAD_ROWS]]
    header = find_header(head, file_name)
    columns = list(zip(*(_fill(row, width) for row in rows[header.start :]), strict=True))
    columns = columns or [()] * width
    words = [[cell for cell in cells if isinstance(cell, str)] for cells in columns]
    texts = [pa.array(cells, pa.string()) for cells in words if cells]
    decimal, notes = infer_decimal(texts, "", file_name)
    arrays = [make_cell_column(cells, decimal) for cells in columns]
    table = pa.Table.from_arrays(arrays, names=header.names)
    notes += _describe_formulas(table, sheet.facts, file_name)
    notes += _describe_percents(sheet.rows, header.names, file_name)
    return table, decimal, [*sheet.notes, *header.notes, *notes]


def _describe_formulas(table: pa.Table, facts: SheetFacts, file_name: str) -> list[str]:
    """Return a note on formulas that were saved without values, as some programs do."""
    empty = [name for name in table.column_names if table[name].null_count == len(table)]
    if not (facts.has_formulas and empty and len(table)):
        return []
    return [
        f"{file_name} has formulas, and no values in {list_few(map(repr, empty), 5)}. "
        "If they lack them, open it in a spreadsheet and save it again."
    ]


def _describe_percents(sheet: Any, names: list[str], file_name: str) -> list[str]:
    """Return a note on columns that are shown as percent and stored as fractions."""
    formats: dict[int, str] = {}
    for row in islice(sheet.iter_rows(), HEAD_ROWS):
        for place, cell in enumerate(row):
            if type(cell.value) in (int, float):
                formats.setdefault(place, cell.number_format)
    percents = [name for i, name in enumerate(names) if "%" in formats.get(i, "")]
    if not percents:
        return []
    return [
        f"{file_name} shows {list_few(map(repr, percents), 5)} in percent: 12 % is read as 0.12."
    ]


def _fill(row: Cells, width: int) -> Cells:
    return row + [None] * (width - len(row))
