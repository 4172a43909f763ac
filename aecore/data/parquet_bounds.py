"""The size of a .parquet in memory, estimated before it is read: its bytes on disk tell little.

A few bytes may say "the same value, a billion times". The footer counts values; how long texts and
pictures are is only known from their dictionaries, which are read without repeating them.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore.data.memory import check_data_bytes

if TYPE_CHECKING:
    import pyarrow as pa

VALUE_BYTES = 8  # of a number
FIXED, VARIABLE = "FIXED_LEN_BYTE_ARRAY", "BYTE_ARRAY"  # physical types


def check_parquet_size(path: Path) -> None:
    """Raises DataError where a .parquet would take more memory than a data set may.

    Raises what pyarrow does for a file that is none.
    """
    import pyarrow.parquet as pq

    check_parquet_footer(path)
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        columns = [metadata.schema.column(i) for i in range(len(metadata.schema))]
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    check_data_bytes(sum(group.total_byte_size for group in groups), path.name)
    check_data_bytes(sum(count_fixed_bytes(group, columns) for group in groups), path.name)
    names = [column.path for column in columns if column.physical_type == VARIABLE]
    if names:
        check_texts(path, names)


def check_parquet_footer(path: Path) -> None:
    """Raises what pyarrow does where the footer of a .parquet says what cannot be.

    To ask `metadata` for such a column chunk would end the process. A reader looks at the chunks
    too, and raises, before it comes to the data, which is as far as it gets here.
    """
    import pyarrow.parquet as pq

    with FooterFile(path) as stream, pq.ParquetFile(stream, pre_buffer=True) as file:
        stream.is_sealed = True
        for i in range(file.num_row_groups):
            with suppress(SealedError):
                file.read_row_group(i, use_threads=False)


class SealedError(Exception):
    """A reader has come to the data of a file of which only the footer may be read."""


class FooterFile(io.FileIO):
    """A file whose bytes can be read until it is sealed."""

    is_sealed = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.is_sealed:
            raise SealedError
        return super().read(size) or b""


def count_fixed_bytes(group: Any, columns: list[Any]) -> int:
    """Returns what the values of a row group take, texts only as numbers of their dictionary."""
    widths = [
        max(VALUE_BYTES, column.length if column.physical_type == FIXED else 0)
        for column in columns
    ]
    return sum(group.column(i).num_values * width for i, width in enumerate(widths))


def check_texts(path: Path, names: list[str]) -> None:
    """Raises DataError where texts and pictures would take too much once they are repeated."""
    import pyarrow.parquet as pq

    total = 0
    with pq.ParquetFile(path, read_dictionary=names) as file:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i, columns=names)
            parts = [part for column in table.columns for part in column.chunks]
            total += sum(map(count_text_bytes, parts))
            check_data_bytes(total, path.name)


def count_text_bytes(array: pa.Array) -> int:
    """Returns the bytes of an array of texts, of which each is kept once, if each were kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary)
        return pc.sum(lengths.take(array.indices)).as_py() or 0
    if pa.types.is_struct(array.type):
        return sum(count_text_bytes(array.field(i)) for i in range(array.type.num_fields))
    if pa.types.is_nested(array.type):
        return count_text_bytes(array.flatten())
    return array.nbytes
