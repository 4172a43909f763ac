"""Files that are written batch by batch: tables as .csv or .parquet, arrays as .npy or .npz."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from aecore.data.raw import Array
from aecore.data.tables.csv_format import PLAIN_CSV, CsvFormat, write_csv
from aecore.data.written_files import simplify_cells

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TABLE_ENDINGS, ARRAY_ENDINGS = (".csv", ".parquet"), (".npz", ".npy")

WriteTable = Callable[["pd.DataFrame", CsvFormat], None]
"""Takes the rows of a table, some at a time, and how they are written as .csv."""

WriteArrays = Callable[[Mapping[str, Array]], None]
"""Takes arrays by their names, some rows at a time."""


@contextmanager
def open_csv_writer(path: Path) -> Iterator[WriteTable]:
    """Give what writes rows to a .csv. Raises OSError."""
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(frame: pd.DataFrame, layout: CsvFormat = PLAIN_CSV) -> None:
            write_csv(frame, file, layout, header=file.tell() == 0)

        yield write


@contextmanager
def open_parquet_writer(path: Path) -> Iterator[WriteTable]:
    """Give what writes rows to a .parquet. Raises OSError.

    Where later rows need wider types, as fractions after whole numbers, all are written again.
    """
    growing = GrowingParquet(path)

    def write(frame: pd.DataFrame, layout: CsvFormat = PLAIN_CSV) -> None:
        import pyarrow as pa

        table = pa.Table.from_pandas(frame, preserve_index=False)
        columns = [simplify_cells(column) for column in table.columns]
        growing.append(pa.Table.from_arrays(columns, names=table.column_names))

    try:
        yield write
    finally:
        growing.close()


class GrowingParquet:
    """A .parquet to which tables are appended."""

    def __init__(self, path: Path):
        self.path, self.wider = path, path.with_name(f"{path.name}.wider")
        self.writer: Any = None  # a pyarrow.parquet.ParquetWriter, once the types are known

    def append(self, table: pa.Table) -> None:
        """Append rows: the columns of the first ones, of types that one can stand for."""
        from pyarrow.parquet import ParquetWriter

        if self.writer is None:
            self.writer = ParquetWriter(self.path, widen_types(table.schema, table.schema))
        schema = widen_types(self.writer.schema, table.schema)
        if schema != self.writer.schema:
            self._write_again(schema)
        self.writer.write_table(table.cast(schema))

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.close()
        self.wider.unlink(missing_ok=True)

    def _write_again(self, schema: pa.Schema) -> None:
        from pyarrow.parquet import ParquetFile, ParquetWriter

        self.writer.close()
        self.writer = ParquetWriter(self.wider, schema)
        with ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                self.writer.write_table(file.read_row_group(group).cast(schema))
        os.replace(self.wider, self.path)  # it stays open


def widen_types(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Return types that hold the values of both; of a column that is empty in both, text."""
    import pyarrow as pa

    def widen(a: pa.DataType, b: pa.DataType) -> pa.DataType:
        if a == b:
            return pa.string() if pa.types.is_null(a) else a
        fields = [pa.schema([("x", kind)]) for kind in (a, b)]
        try:
            return pa.unify_schemas(fields, promote_options="permissive").field("x").type
        except pa.ArrowException:
            return pa.string()

    return pa.schema(
        [(field.name, widen(field.type, second.field(field.name).type)) for field in first]
    )


@contextmanager
def open_npz_writer(path: Path) -> Iterator[WriteArrays]:
    """Give what writes arrays to a .npz, each under its name. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix=".aecore-", dir=path.parent) as folder:
        parts: dict[str, Path] = {}
        with ExitStack() as stack:
            writers: dict[str, WriteArrays] = {}

            def write(arrays: Mapping[str, Array]) -> None:
                for name, array in arrays.items():
                    if name not in writers:
                        parts[name] = Path(folder) / f"{name}.npy"
                        writers[name] = stack.enter_context(open_npy_writer(parts[name]))
                    writers[name]({name: array})

            yield write
        with zipfile.ZipFile(path, "w") as archive:
            for part in parts.values():
                archive.write(part, part.name)


@contextmanager
def open_npy_writer(path: Path) -> Iterator[WriteArrays]:
    """Give what writes the first of the arrays that it is given to a .npy. Raises OSError."""
    first: list[Array] = []
    count = 0

    def write_header() -> None:
        shape = (count, *first[0].shape[1:])
        descr = npy.dtype_to_descr(first[0].dtype)
        # NumPy pads the header, so that its length does not depend on the count
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)

    def write(arrays: Mapping[str, Array]) -> None:
        nonlocal count
        array = next(iter(arrays.values()))
        if not first:
            first.append(array[:0])
            write_header()
        file.write(np.ascontiguousarray(array, first[0].dtype).data)
        count += len(array)

    with path.open("wb") as file:
        yield write
        if first:
            file.seek(0)
            write_header()


@contextmanager
def open_writers(path: Path, ending: str) -> Iterator[tuple[WriteTable | None, WriteArrays | None]]:
    """Give what writes `path` by its final ending: rows of a table, or arrays. Raises OSError."""
    if ending in TABLE_ENDINGS:
        with (open_csv_writer if ending == ".csv" else open_parquet_writer)(path) as write_table:
            yield write_table, None
    else:
        with (open_npy_writer if ending == ".npy" else open_npz_writer)(path) as write_arrays:
            yield None, write_arrays
