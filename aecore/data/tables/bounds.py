"""Bounds of tables: the columns, cells and bytes that one may have, checked before it is read."""

from __future__ import annotations

from typing import IO

from aecore.data.memory import allowed_data_bytes, check_data_bytes
from aecore.errors import DataError
from aecore.limits import read_limit

CELL_BYTES = 4  # of a cell of text in memory, besides its letters
PART_BYTES = 1_000_000


def check_table_size(rows: int, columns: int, file_name: str) -> None:
    """Raise DataError for a table of more columns or cells than one may have."""
    for count, name in ((columns, "columns"), (rows * columns, "cells")):
        limit = read_limit(name)
        if count > limit:
            raise DataError(
                f"{file_name} has about {count:,} {name}; the limit is {limit:,.0f}. "
                "Leave out what is not needed."
            )
    check_data_bytes(rows * columns * CELL_BYTES, file_name)


def read_bounded(stream: IO[bytes], file_name: str) -> bytes:
    """Read a stream whose length is not known, to its end. DataError where it is too long."""
    limit = allowed_data_bytes()
    parts, total = [], 0
    for part in iter(lambda: stream.read(PART_BYTES), b""):
        parts.append(part)
        total += len(part)
        if total > limit:
            check_data_bytes(total, f"{file_name} unpacked")
    return b"".join(parts)
