"""From a file to a table of raw cells: a stand-in that reads plain CSV and Parquet alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aecore.data.parquet_bounds import check_parquet_size
from aecore.errors import DataError
from aecore.limits import read_limit
from aecore.names import drop_unprintable

TABLE_SUFFIXES = (".csv", ".parquet")


class RawTable(NamedTuple):
    """A table as it stands in its file."""

    frame: pd.DataFrame  # columns in the file's order, their names unique and without blanks
    decimal: str  # "." or ",": the mark before decimals
    notes: tuple[str, ...]  # what was guessed or changed about the file as a whole


def is_table_file(path: Path) -> bool:
    """Return True for a file that `open_table` reads."""
    return path.suffix.lower() in TABLE_SUFFIXES


def open_table(path: Path) -> RawTable:
    """Read the raw cells of a table. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet":
            check_parquet_size(path)
            frame = pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        else:
            text = path.read_text(encoding="utf-8-sig")
            mark = max(",;\t", key=text.split("\n", 1)[0].count)
            frame = pd.read_csv(
                path, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
            frame = frame.apply(lambda column: column.str.strip()).astype(
                pd.ArrowDtype(pa.string())
            )
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path.name} cannot be read ({error}). Save it again.") from error
    frame.columns = [drop_unprintable(str(name)).strip() for name in frame.columns]
    twins = sorted(frame.columns[frame.columns.duplicated()])
    if twins:
        raise DataError(f"{path.name} has two columns named {twins[0]!r}. Rename one.")
    decimal = "," if path.suffix.lower() == ".csv" and mark == ";" and ".," not in text else "."
    if decimal == "," and not any(
        frame[name].str.match(r"^-?\d+,\d+$").any() for name in frame.columns
    ):
        decimal = "."
    for count, name in ((frame.shape[1], "columns"), (frame.size, "cells")):
        if count > read_limit(name):
            raise DataError(
                f"{path.name} has about {count:,} {name}; the limit is {read_limit(name):,.0f}."
            )
    return RawTable(frame, decimal, ())
