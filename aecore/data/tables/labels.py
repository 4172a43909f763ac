"""The classes of a table: the words or numbers of its target, as indices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aecore.data.raw import Array
from aecore.data.tables.column_values import Table, make_texts
from aecore.data.tables.columns import simplify_name
from aecore.model.columns import ColumnOptions
from aecore.names import drop_unprintable

MISSING_CLASS = "missing"


def compute_labels(table: Table) -> tuple[Array | None, tuple[str, ...]]:
    """Return (N,) int64 indices into class names; None and no names where there are none.

    Rows without a label are of a class of their own.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = next((c for c in table.columns if c.options.kind == "target"), None)
    if column is None or not column.options.categories:
        return None, ()
    texts = make_texts(column.name, column.values)
    known = set(column.options.categories)
    new = [word for word in pc.unique(texts).to_pylist() if word is not None and word not in known]
    words = (*column.options.categories, *sorted(new))
    places = pc.fill_null(pc.index_in(texts, pa.array(words, pa.string())), len(words))
    y = places.to_numpy().astype(np.int64)
    if (y == len(words)).any():
        words = (*words, MISSING_CLASS)
    names: dict[str, int] = {}  # two words that look alike are one class
    merged = [names.setdefault(drop_unprintable(word), len(names)) for word in words]
    return np.array(merged, np.int64)[y], tuple(names)


def find_run_label(table: Table, schema: Mapping[str, ColumnOptions]) -> str | None:
    """Return the column of a table that is the label of a run, by the run's schema."""
    labels = {simplify_name(name) for name, options in schema.items() if options.kind == "target"}
    return next((c.name for c in table.columns if simplify_name(c.name) in labels), None)
