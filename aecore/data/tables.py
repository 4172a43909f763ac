"""Your own tables: a .csv or .parquet becomes rows of numbers, and one column the class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aecore.data.memory import check_data_bytes
from aecore.data.parquet_bounds import check_parquet_size
from aecore.data.raw import Array, RawData, format_count, index_labels
from aecore.data.table_columns import find_first_word, keep_usable_columns, list_few
from aecore.errors import DataError
from aecore.limits import read_limit
from aecore.names import drop_unprintable

if TYPE_CHECKING:
    import pandas as pd


MAX_HEADER = 1_000_000  # letters of the first line of a .csv that are looked at
PART_BYTES = 1_000_000


def read_table(
    path: Path,
    label: str | None,
    allow_missing: bool = False,
    leave_out_unusable: bool = False,
) -> RawData:
    """Read a table of numbers: float32 rows in raw units, and the column `label` as classes.

    Missing cells are NaN, if `allow_missing`. Columns of a .csv are separated by comma, semicolon
    or tab, whichever its first line has most of. The unnamed column that pandas writes for row
    numbers is left out, as is the index of a .parquet. With `leave_out_unusable`, columns are
    prepared by `keep_usable_columns`; otherwise words are refused. Raises DataError.
    """
    frame = read_frame(path)
    y, classes = (None, ()) if label is None else _read_class_column(frame, label, path.name)
    inputs = frame if label is None else frame.drop(columns=label)
    if inputs.shape[1] == 0:
        raise DataError(f"{path.name} has no column to use as input. Add columns of numbers.")
    notes: list[str] = []
    if leave_out_unusable:
        inputs, notes = keep_usable_columns(inputs)
        if inputs.shape[1] == 0:
            raise DataError(f"{path.name} has no column of use. {' '.join(notes[:3])}")
    _check_numeric(inputs, label, path.name)
    x = _check_values(inputs, path.name, allow_missing)
    return RawData("table", x, y, classes, tuple(inputs.columns), notes=tuple(notes))


def read_frame(path: Path) -> pd.DataFrame:
    """Read a .csv or .parquet as it stands, with columns of different names. Raises DataError."""
    frame = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    frame.columns = [drop_unprintable(str(column)) for column in frame.columns]
    if len(frame) < 2:
        raise DataError(
            f"{path.name} has {format_count(len(frame), 'row')}; a data set needs at least 2 rows."
        )
    duplicates = sorted(frame.columns[frame.columns.duplicated()])
    if duplicates:
        raise DataError(f"{path.name} has two columns named {duplicates[0]!r}. Rename one.")
    return frame


# -- files


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        check_data_bytes(path.stat().st_size, path.name)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline(MAX_HEADER)
        separator = max(",;\t", key=header.count)
        check_table_size(count_lines(path), header.count(separator) + 1, path.name)
        frame = pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", low_memory=False, skipinitialspace=True
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{path.name} is empty. Give it a line of column names, then rows of numbers."
        ) from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is not a readable .csv file ({reason}). Save it as UTF-8 text."
        ) from error
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise DataError(
            f"The rows of {path.name} hold more values than its first line has names. "
            "Name every column."
        )
    _check_header(list(frame.columns), path.name)
    return _without_row_numbers(frame)


def check_table_size(rows: int, columns: int, file_name: str) -> None:
    """Raise DataError for a table of more columns or cells than one may have."""
    for count, name in ((columns, "columns"), (rows * columns, "cells")):
        limit = read_limit(name)
        if count > limit:
            raise DataError(
                f"{file_name} has about {count:,} {name}; the limit is {limit:,.0f}. "
                "Leave out what is not needed."
            )


def count_lines(path: Path) -> int:
    """Count the lines of a text file, whatever they hold."""
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(PART_BYTES), b""))


def _check_header(columns: list[str], file_name: str) -> None:
    """Raise DataError for a first line of data: all numbers, not only whole ones as 0, 1, 2."""
    try:
        for column in columns:
            float(column)
    except ValueError:
        return
    if any("." in column for column in columns):
        raise DataError(
            f"The first line of {file_name} holds numbers instead of column names. "
            "Put a line of names above it."
        )


def _without_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    first = frame.iloc[:, 0]
    if str(first.name) == "Unnamed: 0" and np.array_equal(first.to_numpy(), np.arange(len(first))):
        return frame.iloc[:, 1:]
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_table_size(file.metadata.num_rows, len(file.schema_arrow), path.name)
            check_parquet_size(path)
            return _name_bytes(file.read().to_pandas())
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is not a readable .parquet file ({reason}). Save it again."
        ) from error


def _name_bytes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with cells of bytes as Python writes them: no text may be in them."""
    for i in range(frame.shape[1]):  # by place: two columns may have one name
        column = frame.iloc[:, i]
        if column.dtype.kind == "O" and any(isinstance(cell, bytes) for cell in column):
            frame.isetitem(i, column.map(repr, na_action="ignore").tolist())
    return frame


# -- values


def _read_class_column(
    frame: pd.DataFrame, label: str, file_name: str
) -> tuple[Array, tuple[str, ...]]:
    if label not in frame.columns:
        raise DataError(
            f"{file_name} has no column {label!r} to use as label; "
            f"it has {list_few(list(frame.columns))}."
        )
    column = frame[label]
    missing_count = int(column.isna().sum())
    if missing_count:
        raise DataError(
            f"The label column {label!r} of {file_name} has "
            f"{format_count(missing_count, 'missing value')}. Fill or drop."
        )
    is_numeric = column.dtype.kind in "iub"
    return index_labels(column.to_numpy() if is_numeric else column.astype(str).to_numpy(dtype=str))


def _check_numeric(inputs: pd.DataFrame, label: str | None, file_name: str) -> None:
    """Raise DataError where a column holds something other than numbers."""
    from pandas.api.types import is_numeric_dtype

    wrong = [column for column in inputs.columns if not is_numeric_dtype(inputs[column].dtype)]
    if not wrong:
        return
    examples = [f"{column!r} (such as {find_first_word(inputs[column])!r})" for column in wrong]
    hint = "Encode them as numbers or drop them."
    if label is None and len(wrong) == 1 and _may_be_class(inputs[wrong[0]]):
        hint = (
            f"Drop it, or name it as the label column, that is the class (data.label={wrong[0]})."
        )
    holds = "holds something" if len(wrong) == 1 else "hold something"
    raise DataError(
        f"{file_name} has {format_count(len(wrong), 'column')} that {holds} other than numbers: "
        f"{list_few(examples)}. {hint}"
    )


def _may_be_class(column: pd.Series) -> bool:
    return column.astype(str).nunique() <= len(column) / 2


def _check_values(inputs: pd.DataFrame, file_name: str, allow_missing: bool) -> Array:
    """Return (N, columns) float32, every value finite or, if `allow_missing`, NaN."""
    with np.errstate(over="ignore"):
        wide = inputs.to_numpy(dtype=np.float64, na_value=np.nan)
        values = wide.astype(np.float32)
    columns = list(inputs.columns)
    if not allow_missing:
        _refuse_values(
            np.isnan(wide), "missing", columns, file_name, ", or set data.missing to keep"
        )
    _refuse_values(np.isinf(values), "infinite or too large", columns, file_name)
    return values


def _refuse_values(
    wrong: Array, problem: str, columns: list[str], file_name: str, hint: str = ""
) -> None:
    """Raise DataError if any value of `wrong`, (N, columns) bool, is true."""
    counts = [f"{name!r} ({n})" for name, n in zip(columns, wrong.sum(0), strict=True) if n]
    if counts:
        raise DataError(
            f"{file_name} has {problem} values in {list_few(counts)}. "
            f"Fill them or drop those rows{hint}."
        )
