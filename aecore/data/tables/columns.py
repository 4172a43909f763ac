"""Columns of a table and features of a model: numbers as they are, words as ones and zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from aecore.data.raw import Array, format_count
from aecore.data.tables.column_reading import read_column
from aecore.data.tables.column_values import ReadColumn, Table, make_texts
from aecore.data.tables.date_cells import compute_date_features, list_date_features
from aecore.data.tables.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import LEFT_OUT_KINDS, ColumnOptions
from aecore.model.parts.column_heads import Head, HeadKind
from aecore.names import list_few

SINCE = "days since "
HEAD_KINDS: dict[str, HeadKind] = {
    "category": "category",
    "ordered": "ordered",
    "boolean": "boolean",
    "count": "count",
}


def list_features(name: str, options: ColumnOptions) -> list[str]:
    """Return the names of the features that a column becomes; none where it is no input."""
    if options.kind in (*LEFT_OUT_KINDS, "target"):
        return []
    if options.kind == "category":
        return [f"{name}={word}" for word in options.categories]
    if options.kind == "date":
        return list_date_features(name, options.parts)
    return [name]


def list_schema_features(schema: Mapping[str, ColumnOptions]) -> tuple[str, ...]:
    """Return the names of all features that the columns of a schema become, in its order."""
    return tuple(
        feature for name, options in schema.items() for feature in list_features(name, options)
    )


def list_column_slices(schema: Mapping[str, ColumnOptions]) -> dict[str, slice]:
    """Return the places of the features of each column that is an input, by its name."""
    slices, start = {}, 0
    for name, options in schema.items():
        count = len(list_features(name, options))
        if count:
            slices[name] = slice(start, start + count)
        start += count
    return slices


def list_heads(
    schema: Mapping[str, ColumnOptions], binary: Sequence[bool] = ()
) -> tuple[Head, ...]:
    """Return what each column is for a likelihood of mixed columns; none where all are numbers.

    `binary` (features,), where known, says which features are 0 and 1 alone: a number of these is a
    flag.
    """
    heads = []
    for name, part in list_column_slices(schema).items():
        options, count = schema[name], part.stop - part.start
        kind = HEAD_KINDS.get(options.kind, "number")
        if kind == "number" and count == 1 and any(binary[part]):
            kind = "boolean"
        ranks = len(options.categories) if kind == "ordered" else 0
        heads.append(Head(kind=kind, features=count, ranks=ranks))
    return tuple(heads) if any(head.kind != "number" for head in heads) else ()


def make_schema(features: Sequence[str]) -> dict[str, ColumnOptions]:
    """Return the schema of a model of which only the names of its features are known."""
    words: dict[str, list[str]] = {}
    for feature in features:
        name, equals, word = feature.partition("=")
        words.setdefault(name, []).extend([word] if equals else [])
    return {
        name: ColumnOptions(kind="category", categories=tuple(listed))
        if listed
        else ColumnOptions(kind="number")
        for name, listed in words.items()
    }


def compute_features(columns: Iterable[ReadColumn]) -> tuple[Array, tuple[str, ...]]:
    """Return the features (N, F) float32 of columns, NaN where a cell is missing, and their names.

    One column at a time is converted: nothing is kept twice.
    """
    columns = list(columns)
    names = [name for column in columns for name in list_features(column.name, column.options)]
    x = np.empty((len(columns[0].values), len(names)), np.float32)
    place = 0
    for column in columns:
        for feature in compute_column_features(column):
            with np.errstate(over="ignore"):
                values = feature.astype(np.float32)
            x[:, place] = np.where(np.isinf(values), np.nan, values)
            place += 1
    return x, tuple(names)


def compute_column_features(column: ReadColumn) -> Iterator[Array]:
    """Yield the features (N,) of one column, NaN where a cell is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    options, values = column.options, column.values
    if options.kind == "date":
        start = parse_first_day(options.unit)
        yield from compute_date_features(values.to_numpy(), options.parts, start)
    elif options.kind in ("category", "ordered"):
        places = pc.index_in(values, pa.array(options.categories, pa.string()))
        codes = pc.fill_null(places, -1).to_numpy().astype(np.int64)
        missing = values.is_null().to_numpy()
        if options.kind == "ordered":
            yield np.where(missing | (codes < 0), np.nan, codes)
            return
        for i in range(len(options.categories)):
            yield np.where(missing, np.nan, codes == i)
    else:
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        yield values.cast(pa.float64(), safe=False).to_numpy()


def parse_first_day(unit: str) -> np.datetime64:
    """Return the day from which the time of dates is counted, of a unit `days since 2024-01-01`."""
    try:
        return np.datetime64(unit.removeprefix(SINCE), "s")
    except ValueError:
        return np.datetime64("1970-01-01", "s")


# -- further tables


def match_columns(
    table: Table, schema: Mapping[str, ColumnOptions], table_name: str = "This table"
) -> Array:
    """Return the rows of a table as features of a model: (N, F) float32.

    `schema` is how the columns of the model's own table are read; they are found by name, in any
    order. Raises DataError with the names of those that are absent.
    """
    found = _find_columns(table)
    inputs = {name: options for name, options in schema.items() if list_features(name, options)}
    absent = [repr(n) for n in inputs if n not in found and simplify_name(n) not in found]
    if absent:
        raise DataError(
            f"{table_name} lacks {format_count(len(absent), 'column')} that the model knows: "
            f"{list_few(absent)}."
        )
    columns = [
        read_again(found.get(name) or found[simplify_name(name)], name, options)
        for name, options in inputs.items()
    ]
    return compute_features(columns)[0]


def _find_columns(table: Table) -> dict[str, ReadColumn]:
    """Return the columns of a table by their names, and by these as they are compared."""
    found = {simplify_name(column.name): column for column in reversed(table.columns)}
    return found | {column.name: column for column in table.columns}


def simplify_name(name: str) -> str:
    """Return a name as it is compared: without regard to case and blanks."""
    return " ".join(name.split()).casefold()


def read_again(column: ReadColumn, name: str, options: ColumnOptions) -> ReadColumn:
    """Return a column as another table's options say; cells that are none of that are missing."""
    import pyarrow as pa

    if column.options == options:
        return column
    cells = PlainCells(column.values)
    if column.missing == len(column.values):
        return _make_missing(column, name, options)
    if options.kind == "category":  # also of a column that is read as flags or numbers
        texts = make_texts(name, column.values)
        return ReadColumn(name, options, texts, texts.null_count, column.note)
    try:
        return read_column(name, cells, options, options.decimal)
    except DataError:
        if pa.types.is_nested(column.values.type):
            raise
        return _make_missing(column, name, options)


def _make_missing(column: ReadColumn, name: str, options: ColumnOptions) -> ReadColumn:
    """Return a column of missing cells."""
    import pyarrow as pa

    kinds = {"category": pa.string(), "ordered": pa.string(), "date": pa.timestamp("us")}
    count = len(column.values)
    values = pa.chunked_array([pa.nulls(count, kinds.get(options.kind, pa.float64()))])
    return ReadColumn(name, options, values, count, "")


def describe_new_columns(table: Table, schema: Mapping[str, ColumnOptions]) -> tuple[str, ...]:
    """Return a sentence on columns that a model does not know; nothing where there are none."""
    known = {simplify_name(name) for name in schema}
    others = [column for column in table.columns if column.options.kind != "target"]
    new = [repr(c.name) for c in others if simplify_name(c.name) not in known]
    if not new:
        return ()
    verb = "is" if len(new) == 1 else "are"
    return (f"{list_few(new)} {verb} new to the model and not used.",)


def find_new_words(table: Table, schema: Mapping[str, ColumnOptions]) -> dict[str, Array]:
    """Return the words (N,) of a table that a model does not know, None in other cells.

    They are by the name of their column, in the schema; columns without such words are left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found, new_words = _find_columns(table), {}
    for name, options in schema.items():
        column = found.get(name) or found.get(simplify_name(name))
        if options.kind not in ("category", "ordered") or column is None:
            continue
        texts = read_again(column, name, options).values
        is_known = pc.is_in(texts, pa.array(options.categories, pa.string()))
        words = pc.if_else(is_known, None, texts)
        if words.null_count < len(words):
            new_words[name] = words.to_numpy()
    return new_words


def count_new_words(new_words: Mapping[str, Array]) -> dict[str, Counter[str]]:
    """Return in how many rows each new word is, by the name of its column."""
    return {
        name: Counter(word for word in words if word is not None)
        for name, words in new_words.items()
    }


def describe_new_words(
    counts: Mapping[str, Mapping[str, int]], schema: Mapping[str, ColumnOptions]
) -> tuple[str, ...]:
    """Return a sentence on each column with words that a model does not know.

    `counts` are the rows of each word, by the name of its column.
    """
    sentences = []
    for name, rows in counts.items():
        words = [f"{word!r} ({format_count(count, 'row')})" for word, count in rows.items()]
        verb = "was" if len(words) == 1 else "were"
        is_ordered = schema[name].kind == "ordered"
        reading = "read as missing" if is_ordered else "counted as none of the known words"
        sentences.append(f"{name!r}: {list_few(words)} {verb} not in training: {reading}.")
    return tuple(sentences)
