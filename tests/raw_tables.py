"""Write small files that hold tables, open them, and compare their raw cells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from aecore.data.tables.files import RawTable, open_table
from aecore.errors import DataError

PLAIN = "a,b\n1.5,2\n3.5,4\n5.5,6\n"


def write_table_file(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    """Write a file of this content into a folder; return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def open_content(folder: Path, content: str | bytes, name: str = "table.csv") -> RawTable:
    """Write a file of this content, and open it."""
    return open_table(write_table_file(folder, content, name))


def list_table_rows(table: RawTable) -> list[list[Any]]:
    """Return the names of a table and its rows."""
    return [list(table.frame.columns), *table.frame.to_numpy().tolist()]


def list_cells(content: str, separator: str = ",") -> list[list[str]]:
    """Return the cells of a plain text."""
    return [line.split(separator) for line in content.splitlines()]


def refuse_table(path: Path) -> str:
    """Return the sentence with which a table is refused; it names the file."""
    with pytest.raises(DataError) as caught:
        open_table(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message and message.endswith(".")
    return message


def make_workbook(*sheets: list[list[Any]]) -> bytes:
    """Return an .xlsx of these sheets, each a list of rows."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
