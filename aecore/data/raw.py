"""The record that every reader returns, and small helpers that all readers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from aecore.model.columns import ColumnOptions
from aecore.names import drop_unprintable
from aecore.progress import report_share

DataKind = Literal["image", "table", "manifold"]
Array = np.ndarray[Any, np.dtype[Any]]

ReportProgress = Callable[[str, float], None]
"""Receives what is being done, as a short text, and the share that is done, from 0 to 1."""


class RawData(NamedTuple):
    """A data set as a reader returns it, before it is split into training and test examples."""

    kind: DataKind
    x: Array  # (N, C, H, W) or (N, features); uint8 or float32
    y: Array | None = None  # (N,) int64
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    train_count: int | None = None  # rows before this one are the set's own training split
    names: tuple[str, ...] = ()  # of files, one per example
    notes: tuple[str, ...] = ()  # what was left out or changed, and why
    schema: Mapping[str, ColumnOptions] = MappingProxyType({})  # how each column of a table is read
    reading: Mapping[str, Any] = MappingProxyType({})  # settings of DataConfig chosen while reading
    groups: Array | None = None  # (N,) int64: examples of one group are not divided


def pass_progress_on(message: str, fraction: float) -> None:
    """Tell a bar, where there is one, how far it is: the default without a callback."""
    report_share(fraction)


def format_count(count: int, noun: str) -> str:
    """Return the count with its noun in singular or plural: `1 row`, `3 rows`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def spell_shape(shape: tuple[int, ...]) -> str:
    """Return the shape of an example in words: `15 columns`, `32 x 32 pixels in colour`."""
    if len(shape) == 1:
        return format_count(shape[0], "column")
    if len(shape) != 3:
        return f"{' x '.join(map(str, shape))} values"
    channels = {1: "grey", 3: "colour"}.get(shape[0], f"{shape[0]} channels")
    return f"{shape[2]} x {shape[1]} pixels in {channels}"


def index_labels(labels: Array) -> tuple[Array, tuple[str, ...]]:
    """Convert (N,) ints or strings to (N,) int64 indices into the sorted class names."""
    if labels.dtype.kind == "S":
        labels = np.strings.decode(labels, "utf-8", "replace")
    values, y = np.unique(labels, return_inverse=True)
    names = [str(value) for value in values]
    printable = [drop_unprintable(name) for name in names]
    if printable != names:  # two names that look alike are one class
        merged, places = np.unique(printable, return_inverse=True)
        y, names = places[y], merged.tolist()
    return y.astype(np.int64), tuple(names)


def make_raw_data(
    x: Array, y: Array | None = None, classes: tuple[str, ...] = (), train_count: int | None = None
) -> RawData:
    """Return the record of checked inputs: images, or a table with numbered columns."""
    if x.ndim == 2:
        columns = tuple(f"x{i}" for i in range(x.shape[1]))
        return RawData("table", x, y, classes, columns, train_count)
    return RawData("image", x, y, classes, (), train_count)
