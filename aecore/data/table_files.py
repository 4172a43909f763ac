"""Files that hold a table."""

from __future__ import annotations

from pathlib import Path

TABLE_SUFFIXES = (".csv", ".parquet")


def is_table_file(path: Path) -> bool:
    """Return True for a file that `open_table` reads."""
    return path.is_file() and path.suffix.lower() in TABLE_SUFFIXES
