"""Tables for tests: files as people have them, and what is read of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from aecore.data.tables.files import RawTable, open_table
from aecore.errors import DataError

PLAIN = "a,b\n1.5,2\n3.5,4\n5.5,6\n"


def write_file(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def open_text_table(folder: Path, content: str | bytes, name: str = "table.csv") -> RawTable:
    return open_table(write_file(folder, content, name))


def list_rows(table: RawTable) -> list[list[Any]]:
    return [list(table.frame.columns), *table.frame.to_numpy().tolist()]


def list_cells(content: str, separator: str = ",") -> list[list[str]]:
    return [line.split(separator) for line in content.splitlines()]


def get_refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_table(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message and message.endswith(".")
    return message


def pack(members: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def make_workbook(*sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
