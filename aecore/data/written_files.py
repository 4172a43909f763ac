"""What was read is written again: a table as .parquet, examples as .npz."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from aecore.data.batches import iterate_examples
from aecore.data.on_disk import DiskArray
from aecore.data.raw import Array, RawData
from aecore.errors import DataError
from aecore.files import replace_file

if TYPE_CHECKING:
    import pyarrow as pa

    from aecore.data.describe import DataReport
    from aecore.data.tables.reading import Table

WRITTEN_BYTES = 32_000_000
WRITTEN_SUFFIXES = (".parquet", ".npz")


def write_data(report: DataReport, name: str, path: Path) -> None:
    """Write what `describe_data` found: a table as .parquet, images and rows as .npz.

    `name` is the source's, for errors. Raises DataError for another ending, and where the file
    cannot be written.
    """
    suffix = ".parquet" if report.kind == "table" else ".npz"
    if path.suffix.lower() != suffix:
        holds = "a table" if report.kind == "table" else report.kind
        raise DataError(
            f"{path.name} has the wrong ending: {name} holds {holds}, which are written as "
            f"{suffix}. Give a file that ends in {suffix}."
        )
    content = report.content
    if isinstance(content, (RawData, DiskArray)):
        write_array_file(content, path)
    else:
        write_table_file(content, path)


def write_table_file(table: Table, path: Path) -> None:
    """Write all columns of a table, in the file's order and units, as .parquet.

    Raises DataError where it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {column.name: simplify_cells(column.values) for column in table.columns}
    written = pa.table(list(columns.values()), names=list(columns))
    try:
        replace_file(path, lambda draft: pq.write_table(written, draft))
    except (OSError, pa.ArrowException) as error:
        raise DataError(describe_write_error(path, error)) from error


def simplify_cells(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells as the one type for their kind: double, int64, string; others as they are."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return simplify_cells(values.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_floating(kind):
        return values.cast(pa.float64())
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return values.cast(pa.int64())
    return values


def write_array_file(examples: RawData | DiskArray, path: Path) -> None:
    """Write examples as .npz, in their own order.

    `x` holds them; `y` the class of each as text, where there are classes; `names` those of files.
    Raises DataError where it cannot be written.
    """
    x, raw = examples if isinstance(examples, DiskArray) else (examples.x, examples)
    arrays: dict[str, Array] = {}
    if raw.y is not None and raw.classes:
        arrays["y"] = np.array(raw.classes)[raw.y]
    if raw.names:
        arrays["names"] = np.array(raw.names)
    dtype = np.dtype(str(x.dtype).removeprefix("torch."))

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w", allowZip64=True) as archive:
            rows = max(1, WRITTEN_BYTES // (4 * math.prod(x.shape[1:])))
            parts = (part.numpy() for part in iterate_examples(examples, rows))
            write_npz_member(archive, "x", x.shape, dtype, parts)
            for name, array in arrays.items():
                write_npz_member(archive, name, array.shape, array.dtype, [array])

    try:
        replace_file(path, write)
    except OSError as error:
        raise DataError(describe_write_error(path, error)) from error


def write_npz_member(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    parts: Iterable[Array],
) -> None:
    """Write one array of a .npz part by part, which together have that shape and dtype."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        npy.write_array_header_2_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).tobytes())


def describe_write_error(path: Path, error: Exception) -> str:
    """Return a sentence on a file that could not be written."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return f"{path} cannot be written ({reason}). Give a file in a folder that exists and has room."
