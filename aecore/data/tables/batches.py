"""Tables of any length, some rows at a time: Parquet by row groups, text by lines."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aecore.data.tables.bounds import PART_BYTES
from aecore.data.tables.contents import TableSource, find_table_source
from aecore.data.tables.encoding import TextFacts, examine_text
from aecore.data.tables.files import DAMAGED, RawTable, make_raw_frame, open_table
from aecore.data.tables.headers import make_names_unique
from aecore.data.tables.parquet import simplify_column
from aecore.data.tables.ragged_rows import RowFitter
from aecore.data.tables.separators import iterate_lines, iterate_rows
from aecore.data.tables.text import Layout, find_layout, open_text, read_text_table
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from aecore.data.tables.reading import Table
    from aecore.model.config import DataConfig

FIRST_BYTES = 16 * 10**6
"""Files up to this size are read at once; of longer text so much tells how all of it is written."""


class LongText(NamedTuple):
    """A table of text that is longer than its head, and what the head tells of it."""

    source: TableSource
    facts: TextFacts
    layout: Layout
    decimal: str


def iterate_raw_tables(path: Path, rows: int) -> Iterator[RawTable]:
    """Yield the raw cells of a table, `rows` rows at a time and at last the rest.

    Cells and names are those of `open_table`. Parquet and long text are never in memory as a whole;
    how a long text is written is told by its first 16 MB. Raises DataError.
    """
    with explain_table_errors(path):
        source = find_table_source(path)
        if source.format == "parquet":
            yield from _iterate_parquet(path, rows)
            return
        text = examine_long_text(source) if source.format == "text" else None
        yield from _cut_frame(open_table(path), rows) if text is None else _iterate_text(text, rows)


def iterate_tables(
    path: Path, config: DataConfig, schema: Mapping[str, ColumnOptions], rows: int
) -> Iterator[Table]:
    """Yield a table by the schema of a model, `rows` rows at a time and at last the rest.

    Columns that are no inputs of the model stay as they are in the file. Raises DataError.
    """
    from aecore.data.tables.reading import understand_table

    aside = ColumnOptions(kind="ignored")
    inputs = {name: options for name, options in schema.items() if options.kind != "target"}
    for raw in iterate_raw_tables(path, rows):
        columns = {name: inputs.get(name, aside) for name in raw.frame.columns}
        chosen = config.model_copy(update={"columns": columns, "label": None})
        yield understand_table(raw, chosen, path.name, is_further=True)


def count_table_rows(path: Path) -> int | None:
    """Return how many rows a table has, of text about as many; None for a workbook.

    Reads all of a text. Raises DataError.
    """
    import pyarrow.parquet as pq

    with explain_table_errors(path):
        source = find_table_source(path)
        if source.format == "parquet":
            return int(pq.read_metadata(path).num_rows)
        if source.format != "text":
            return None
        with source.open() as stream:
            parts = iter(lambda: stream.read(PART_BYTES), b"")
            return sum(part.count(b"\n") for part in parts)


@contextmanager
def explain_table_errors(path: Path) -> Iterator[None]:
    """Turn what libraries raise of a damaged table into a DataError that names the file."""
    import pyarrow as pa

    try:
        yield
    except (*DAMAGED, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path.name} cannot be read ({reason}). Save it again.") from error


def examine_long_text(source: TableSource) -> LongText | None:
    """Return what the head of a text tells of all of it; None where the head is all there is."""
    with source.open() as stream:
        head = stream.read(FIRST_BYTES)
        if not stream.read(1):
            return None
    head = head[: head.rfind(b"\n") + 1] or head
    first = source._replace(open=lambda: io.BytesIO(head))
    facts = examine_text(first)
    decimal = read_text_table(first).decimal
    return LongText(source, facts, find_layout(first, facts), decimal)


def _iterate_parquet(path: Path, rows: int) -> Iterator[RawTable]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names, _ = make_names_unique(file.schema_arrow.names, path.name)
        parts = (pa.Table.from_batches([batch]) for batch in file.iter_batches(batch_size=rows))
        for table in _cut_evenly(parts, rows):
            columns = [simplify_column(column) for column in table.columns]
            yield RawTable(make_raw_frame(pa.Table.from_arrays(columns, names=names)), ".", ())


def _iterate_text(text: LongText, rows: int) -> Iterator[RawTable]:
    import pyarrow as pa

    names, skipped, name = text.layout.header.names, text.layout.skipped, text.source.name
    fitter = RowFitter(len(names), name, len(skipped))
    with open_text(text.source, text.facts) as stream:
        stream.read(len("".join(skipped)))
        lines = iterate_lines(stream, name)
        cells = fitter.fit_rows(iterate_rows(lines, text.layout.dialect, name))
        while part := list(islice(cells, rows)):
            columns = [pa.array(column, pa.string()) for column in zip(*part, strict=True)]
            frame = make_raw_frame(pa.Table.from_arrays(columns, names=names))
            yield RawTable(frame, text.decimal, (), text.layout.dialect.separator)


def _cut_frame(table: RawTable, rows: int) -> Iterator[RawTable]:
    for start in range(0, len(table.frame), rows):
        frame = table.frame.iloc[start : start + rows].reset_index(drop=True)
        yield table._replace(frame=frame)


def _cut_evenly(parts: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the rows of many tables again as tables of `rows` rows, and at last the rest."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        while sum(map(len, waiting)) >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows)
            waiting = [whole.slice(rows)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting)
