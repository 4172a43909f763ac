"""Groups: examples of one person or one day, which lie on one side of every division."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from aecore.data.arrays.reading import read_npy_layout
from aecore.data.memory import check_data_bytes
from aecore.data.raw import Array, format_count
from aecore.data.stored import draw_permutation
from aecore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from aecore.data.raw import RawData
    from aecore.model.config import DataConfig


def index_groups(values: pa.ChunkedArray) -> Array:
    """Return the group of each row, (N,) int64, by the cells of a column of any plain type.

    A missing cell is a group of its own: nobody knows whom it belongs to.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(values.type):
        raise ValueError(f"cells of {values.type} cannot be compared")
    codes = pc.dictionary_encode(values).combine_chunks()
    codes = codes if isinstance(codes, pa.DictionaryArray) else codes.chunk(0)
    groups: Array = codes.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return _separate_missing(groups.copy())


def find_table_groups(
    columns: Sequence[tuple[str, pa.ChunkedArray]], name: str, file_name: str
) -> Array:
    """Return the group of each row by the column `name`: (N,) int64.

    `columns` are the names and cells of all columns of the file, also of those that are no input.
    Raises DataError where there is no such column.
    """
    cells = dict(columns).get(name)
    if cells is None:
        known = ", ".join(list(dict(columns))[:8])
        raise DataError(
            f"{file_name} has no column {name!r} to split by; it has {known}. "
            "Set data.split_by to one of its columns."
        )
    try:
        return index_groups(cells)
    except ValueError as error:
        raise DataError(
            f"{file_name} cannot be split by {name!r}: {error}. Choose another column."
        ) from error


def read_array_groups(path: Path, name: str, count: int) -> Array:
    """Return the group of each of `count` examples by the array `name` of a .npz: (N,) int64.

    Raises DataError where there is no such array, or it is of another length or of objects.
    """
    subject = f"`{name}` in {path.name}"
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{name}.npy" not in archive.namelist():
                raise DataError(
                    f"{path.name} has no array `{name}` to split by. Save it beside `x`, a value "
                    "for each example, or leave out data.split_by."
                )
            values = _read_member(archive, f"{name}.npy", subject)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{subject} cannot be read ({error}). Save it again.") from error
    if values.shape not in ((count,), (count, 1)):
        raise DataError(
            f"{subject} has shape {values.shape}; to split by it, it must have a value for each of "
            f"{format_count(count, 'example')}."
        )
    return np.unique(values.ravel(), return_inverse=True)[1].astype(np.int64)


def add_groups(raw: RawData, path: Path, config: DataConfig) -> RawData:
    """Return the record with the groups that `config.split_by` names; as it is where it is None.

    A column of a table, which need be no input, or an array of a .npz. Raises DataError for what
    has neither.
    """
    if config.split_by is None or raw.groups is not None:
        return raw
    if path.suffix.lower() == ".npz":
        return raw._replace(groups=read_array_groups(path, config.split_by, len(raw.x)))
    if raw.kind != "table" or not path.is_file() or path.suffix.lower() == ".npy":
        raise DataError(
            f"{path.name} has no column or array {config.split_by!r} to split by. "
            "Leave out data.split_by."
        )
    from aecore.data.tables.reading import read_columns

    columns = [(column.name, column.values) for column in read_columns(path, config).columns]
    return raw._replace(groups=find_table_groups(columns, config.split_by, path.name))


def draw_whole_groups(groups: Array, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Divide rows by their groups (N,): about `count` of them are held out, whole groups only.

    Returns the rows that stay and those held out, each in a random order by the seed. Neither is
    empty where there are two groups; with one, all stay.
    """
    import torch

    labels, places = np.unique(groups, return_inverse=True)
    order = draw_permutation(len(groups), seed)
    if len(labels) < 2:
        return order, order[:0]
    sizes = np.bincount(places)
    drawn = draw_permutation(len(labels), seed).numpy()
    ends = sizes[drawn].cumsum()
    # the number of groups whose examples come nearest to the count
    taken = int(np.abs(ends[:-1] - count).argmin()) + 1
    is_held = torch.from_numpy(np.isin(places, drawn[:taken]))[order]
    return order[~is_held], order[is_held]


def _separate_missing(groups: Array) -> Array:
    """Number the rows of group -1 as groups of one row each."""
    missing = np.flatnonzero(groups < 0)
    groups[missing] = np.arange(len(missing)) + groups.max(initial=0) + 1
    return groups


def _read_member(archive: zipfile.ZipFile, member: str, subject: str) -> Array:
    with archive.open(member) as file:
        shape, _, dtype = read_npy_layout(file)
    if dtype.hasobject:
        raise DataError(
            f"{subject} holds Python objects, which are never loaded. Save numbers or strings."
        )
    check_data_bytes(math.prod(shape) * dtype.itemsize, subject)
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)
