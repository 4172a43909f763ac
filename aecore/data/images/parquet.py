"""Pictures in a .parquet: as the Hub keeps them, {bytes, path}, or as plain bytes in a column."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aecore.data.images.formats import TIFF_STARTS, is_heic
from aecore.data.memory import allowed_data_bytes
from aecore.data.parquet_bounds import check_parquet_size
from aecore.data.raw import format_count
from aecore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"P5", b"P6", *TIFF_STARTS)
PROBED_ROWS = 16
LABEL_COLUMNS = ("label", "labels", "class", "target", "category", "species", "y", "fine_label")
MAX_LABELS = 1000


def holds_encoded_images(path: Path) -> bool:
    """Return True if a .parquet holds encoded images, by the types and first cells of columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return bool(find_image_columns(file))
    except (pa.ArrowException, OSError, ValueError):
        return False  # the reader of tables explains the error


def find_image_columns(file: Any) -> list[str]:
    """Return the columns of an open ParquetFile that hold encoded images, in order."""
    schema = file.schema_arrow
    structs = [field.name for field in schema if _is_image_type(field.type)]
    plain = [f.name for f in schema if f.name not in structs and _is_bytes_type(f.type)]
    return [*structs, *(name for name in plain if _starts_as_image(file, name))]


def _is_image_type(column_type: pa.DataType) -> bool:
    import pyarrow as pa

    is_struct = pa.types.is_struct(column_type)
    return is_struct and {"bytes", "path"} == {field.name for field in column_type}


def _is_bytes_type(column_type: pa.DataType) -> bool:
    """Return True for bytes, and lists or structs whose only bytes they are."""
    import pyarrow as pa

    if pa.types.is_list(column_type) or pa.types.is_large_list(column_type):
        return _is_image_type(column_type.value_type) or _is_bytes_type(column_type.value_type)
    if pa.types.is_struct(column_type):
        return any(field.name == "bytes" and _is_bytes_type(field.type) for field in column_type)
    return pa.types.is_binary(column_type) or pa.types.is_large_binary(column_type)


def _starts_as_image(file: Any, name: str) -> bool:
    """Return True where the first cells that are not empty begin as pictures do."""
    if not file.num_row_groups:
        return False
    metadata = file.metadata.row_group(0)
    columns = [metadata.column(i) for i in range(metadata.num_columns)]
    size = sum(
        column.total_uncompressed_size
        for column in columns
        if column.path_in_schema.split(".")[0] == name
    )
    if size > allowed_data_bytes():
        return False
    batch = next(file.iter_batches(PROBED_ROWS, row_groups=[0], columns=[name]), None)
    cells = [] if batch is None else [take_image_bytes(cell) for cell in batch.column(0)]
    heads = [cell[:12] for cell in cells if cell]
    return bool(heads) and all(is_image_start(head) for head in heads)


def is_image_start(head: bytes) -> bool:
    """Return True for the first 12 bytes of a picture."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_avif = head[4:12] in (b"ftypavif", b"ftypavis")
    return head.startswith(IMAGE_STARTS) or is_webp or is_avif or is_heic(head)


def take_image_bytes(cell: pa.Scalar) -> bytes:
    """Return the encoded picture of a cell: of a list the first; empty where there is none."""
    value = cell.as_py()
    while isinstance(value, list | dict):
        first = value[:1] if isinstance(value, list) else [value.get("bytes")]
        value = first[0] if first else None
    return value if isinstance(value, bytes) else b""


class ParquetSource:
    """A .parquet with a column of encoded images, and perhaps one of classes."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self.notes: list[str] = []
        check_parquet_size(path)
        with pq.ParquetFile(path) as file:
            columns = find_image_columns(file)
            names = [name for name in file.schema_arrow.names if name not in columns[1:]]
            table = file.read(columns=names)
        self.images = table[columns[0]]
        self._note_columns(table, columns)
        folders = self._read_folders(table) or [""] * len(table)
        self.members = {f"{folder}{i}.png": i for i, folder in enumerate(folders)}

    def list_names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return take_image_bytes(self.images[self.members[name]])

    def open(self, name: str) -> IO[bytes]:
        return io.BytesIO(self.read(name))

    def locate(self, names: list[str]) -> list[Path]:
        return [self.path]

    def _note_columns(self, table: pa.Table, columns: list[str]) -> None:
        """Say which of several columns or several pictures of a row is read."""
        import pyarrow as pa

        if len(columns) > 1:
            self.notes.append(
                f"{self.path.name} has {len(columns)} columns of pictures; {columns[0]} is read, "
                f"{', '.join(columns[1:])[:200]} left out."
            )
        kind = table[columns[0]].type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            several = sum(len(cell.as_py() or ()) > 1 for cell in self.images)
            if several:
                self.notes.append(
                    f"{format_count(several, 'row')} of the column {columns[0]} hold several "
                    "pictures, of which the first is read."
                )

    def _read_folders(self, table: pa.Table) -> list[str] | None:
        """Return a class folder for each row, or None where no column holds classes."""
        labels = read_hub_labels(table)
        if labels is None:
            name = find_label_column(table)
            if name is None:
                return None
            labels = ["none" if cell is None else str(cell) for cell in table[name].to_pylist()]
            self.notes.append(f"The classes are those of the column {name}.")
        return [f"{label.replace('/', '-').lstrip('.') or 'none'}/" for label in labels]


def read_hub_labels(table: pa.Table) -> list[str] | None:
    """Return the class of each row by the first column that the Hub calls a ClassLabel.

    None where there is no such column, or what the file says of it makes no sense.
    """
    try:
        hub_info = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = hub_info.get("info", {}).get("features", {})
        labels = {name for name, feature in features.items() if feature["_type"] == "ClassLabel"}
        label = next(name for name in table.column_names if name in labels)
        classes = [str(name) for name in features[label]["names"]]
        rows = table[label].to_pylist()
        return [classes[i] if 0 <= i < len(classes) else "none" for i in rows]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, StopIteration):
        return None


def find_label_column(table: pa.Table) -> str | None:
    """Return the column of a telling name that holds words or whole numbers of few kinds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lowered = {name.strip().lower(): name for name in reversed(table.column_names)}
    for name in (lowered[word] for word in LABEL_COLUMNS if word in lowered):
        kind = table[name].type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        is_word = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if is_word or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            count = pc.count_distinct(table[name].combine_chunks()).as_py()
            if 1 < count <= min(MAX_LABELS, max(2, len(table) // 2)):
                return name
    return None


def open_image_parquet(path: Path) -> ParquetSource:
    """Open a .parquet of encoded images. Raises DataError."""
    try:
        return ParquetSource(path)
    except DataError:
        raise
    except Exception as error:  # its metadata is a stranger's
        raise DataError(f"{path.name} is not a readable .parquet of images ({error}).") from error
