"""What a file holds as it is understood: its kind, its columns, what was guessed or left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aecore.data.arrays.column_notes import check_varied_rows
from aecore.data.datasets import find_data_path, open_dataset
from aecore.data.images.parquet import holds_encoded_images
from aecore.data.on_disk import DiskArray
from aecore.data.raw import RawData, ReportProgress
from aecore.data.tables.files import is_table_file
from aecore.names import drop_unprintable

if TYPE_CHECKING:
    import pyarrow as pa

    from aecore.data.tables.reading import ReadColumn, Table
    from aecore.model.config import DataConfig

EXAMPLE_LETTERS = 30
EXAMPLE_ROWS = 1000  # of a column, among which one is looked for that is not missing


class ColumnReport(NamedTuple):
    """How one column of a table is read."""

    name: str
    kind: str  # a ColumnKind
    missing: int  # cells
    example: str  # one of its cells, as it is understood
    note: str  # empty where there is nothing to say


class DataReport(NamedTuple):
    """What a file holds, and the cells or examples themselves."""

    kind: Literal["table", "images", "rows"]
    examples: int
    shape: tuple[int, ...]  # of one example, as a model sees it
    columns: tuple[ColumnReport, ...]  # of a table, in the file's order
    target: str | None  # the column of a table that is the label
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    content: Table | RawData | DiskArray

    def to_json(self) -> dict[str, Any]:
        """Return what `aecore data --json` prints: all but the content and examples of cells."""
        values = self._asdict()
        del values["content"]
        columns = [column._asdict() for column in self.columns]
        for column in columns:
            del column["example"]
        return values | {"columns": columns}


def describe_data(config: DataConfig, report: ReportProgress | None = None) -> DataReport:
    """Read the data set or path `config.name` as training would, and tell what it holds.

    Raises DataError for whatever training would refuse.
    """
    path = find_data_path(config)
    if path is not None and holds_table(path):
        return _describe_table(path, config)
    examples = open_dataset(config, report)
    if isinstance(examples, RawData):
        check_varied_rows(examples.x, Path(config.name).name)
    return _describe_examples(examples)


def holds_table(path: Path) -> bool:
    """Return True for a file that is read as a table: not for a .parquet of pictures."""
    if not is_table_file(path):
        return False
    return not (path.suffix.lower() == ".parquet" and holds_encoded_images(path))


def _describe_examples(examples: RawData | DiskArray) -> DataReport:
    array, raw = examples if isinstance(examples, DiskArray) else (examples.x, examples)
    return DataReport(
        "images" if raw.kind == "image" else "rows",
        len(array),
        tuple(array.shape[1:]),
        (),
        None,
        raw.classes,
        raw.notes,
        examples,
    )


def _describe_table(path: Path, config: DataConfig) -> DataReport:
    from aecore.data.tables.reading import make_table_data, read_columns

    table = read_columns(path, config)
    raw = make_table_data(table, config, path.name)
    if raw.kind == "image":
        return _describe_examples(raw)
    targets = [column.name for column in table.columns if column.options.kind == "target"]
    return DataReport(
        "table",
        len(raw.x),
        tuple(raw.x.shape[1:]),
        tuple(_describe_column(column) for column in table.columns),
        targets[0] if targets else None,
        raw.classes,
        table.notes,
        table,
    )


def _describe_column(column: ReadColumn) -> ColumnReport:
    return ColumnReport(
        column.name,
        column.options.kind,
        column.missing,
        format_example_cell(column.values),
        column.note,
    )


def format_example_cell(values: pa.ChunkedArray) -> str:
    """Return one of a column's first cells that is not missing, as text of a few letters."""
    import pyarrow as pa

    cells = values.slice(0, EXAMPLE_ROWS).drop_null()
    if not len(cells):
        return ""
    cell = cells[0].as_py()
    if pa.types.is_floating(values.type):
        text = f"{cell:.6g}"
    elif pa.types.is_timestamp(values.type):
        text = cell.isoformat(" ").removesuffix(" 00:00:00")
    else:
        text = drop_unprintable(str(cell))
    return text if len(text) <= EXAMPLE_LETTERS else f"{text[: EXAMPLE_LETTERS - 1]}\u2026"
