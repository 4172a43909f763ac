"""Files that hold arrays: .npz archives, and the header of a .npy. Nothing is ever unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from aecore.data.arrays.column_notes import describe_odd_columns
from aecore.data.arrays.labels import UnusableLabels, find_labels, name_classes
from aecore.data.arrays.layouts import check_number_type, find_array_layout, make_plain_layout
from aecore.data.arrays.names import (
    ArrayInfo,
    NamedPart,
    assign_arrays,
    find_class_names,
    list_names,
    parse_array_name,
)
from aecore.data.arrays.values import (
    ArrayReading,
    check_finite,
    choose_pixel_scale,
    measure_range,
)
from aecore.data.memory import check_data_bytes
from aecore.data.raw import Array, RawData, index_labels, make_raw_data
from aecore.errors import DataError

DISK_ADVICE = "Use fewer or smaller examples, or save them as a .npy, which is read from the disk."
MAX_ARRAYS = 1000  # arrays in an archive
PLAIN_NAMES = ("x", "y", "x_test", "y_test", "X", "Y")  # which need no word on what they are


def read_npz(path: Path, allow_missing: bool = False) -> RawData:
    """Read the examples of a .npz and, where there are any, their labels and their own division.

    Arrays are found by their names (`x`, `images`, `x_train`, `val_labels`, `arr_0` ...) and by
    what they are. Pictures are bytes, or floats in [0, 1], to which others are scaled with a note;
    rows keep their units, and NaN if `allow_missing`. Raises DataError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _list_members(archive, path.name)
            infos = {
                name: _read_info(archive, name, member, path.name)
                for name, member in members.items()
            }
            plan = assign_arrays(infos, path.name)
            names = [name for part in plan for name in (part.examples, part.labels) if name]
            class_names = find_class_names(infos, names) if plan[0].labels else None
            if class_names:
                names.append(class_names)
            arrays, notes = _read_arrays(archive, members, infos, names, path.name)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path.name} is not a readable .npz file ({error}). Save it again with numpy.savez."
        ) from error
    notes = [*_describe_choice(plan, infos, class_names, path.name), *notes]
    raw = _make_raw_from_parts(plan, arrays, class_names, path.name, allow_missing)
    return raw._replace(notes=(*notes, *raw.notes))


def read_npy_layout(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a .npy: its shape, True if stored column by column, and its dtype.

    Raises ValueError for what is no header.
    """
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, columns_first, dtype = read_header(file)
    except (TokenError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"its header cannot be read: {type(error).__name__}") from error
    if any(side < 0 for side in shape):
        raise ValueError(f"its header has the shape {shape}")
    return shape, columns_first, dtype


def count_decoded_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return what an array takes in memory: as it is in the file, or as float32 if that is more."""
    is_image = len(shape) > 2 and dtype in (np.uint8, np.bool_)
    return math.prod(shape) * max(dtype.itemsize, 1 if is_image else 4)


def arrange_array(
    x: Array, name: str, allow_missing: bool = False, count: int | None = None
) -> tuple[Array, str]:
    """Return a view of an array of any layout as examples (N, *input_shape), and a note or "".

    `count` examples have labels, where known. Raises DataError for values that no model can learn
    from.
    """
    layout = find_array_layout(x.shape, x.dtype, name, count)
    check_finite(x, name, allow_missing and not layout.is_image)
    return layout.arrange(x), layout.note


def make_raw_from_examples(x: Array, name: str, notes: Iterable[str] = ()) -> RawData:
    """Return the record of arranged examples (N, *input_shape), pictures brought to 0 to 1."""
    layout = make_plain_layout(x.shape)
    scale = choose_pixel_scale(measure_range(x), x.dtype, name) if layout.is_image else None
    raw = make_raw_data(np.ascontiguousarray(ArrayReading(layout, scale).convert(x)))
    found = [*notes, scale.note if scale else "", *describe_odd_columns(raw.x, raw.columns)]
    return raw._replace(notes=tuple(filter(None, found)))


def _list_members(archive: zipfile.ZipFile, file_name: str) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by their names."""
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if len(infos) > MAX_ARRAYS:
        raise DataError(
            f"{file_name} holds {len(infos):,} arrays; the limit is {MAX_ARRAYS:,}. "
            "Save the examples as one array `x`."
        )
    return {info.filename.removesuffix(".npy"): info for info in infos}


def _read_info(
    archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo, file_name: str
) -> ArrayInfo:
    with archive.open(member) as file:
        try:
            shape, _, dtype = read_npy_layout(file)
        except ValueError as error:
            raise ValueError(f"`{name}`: {error}") from error
    return ArrayInfo(name, shape, dtype)


def _read_arrays(
    archive: zipfile.ZipFile,
    members: Mapping[str, zipfile.ZipInfo],
    infos: Mapping[str, ArrayInfo],
    names: list[str],
    file_name: str,
) -> tuple[dict[str, Array], list[str]]:
    """Return the arrays of these names, and notes on those that are left out."""
    arrays, notes, total = {}, [], 0
    for name in names:
        info, told = infos[name], f"`{name}` in {file_name}"
        if info.dtype.hasobject:
            problem = f"{told} holds Python objects, which are never loaded"
            if parse_array_name(name).role == "examples":
                raise DataError(f"{problem}. Save numbers.")
            notes.append(f"{problem}: left out. Save numbers or strings.")
            continue
        if info.dtype.kind == "c":
            check_number_type(info.dtype, told)
        # the header first: it may promise more than memory holds
        total += count_decoded_bytes(info.shape, info.dtype)
        check_data_bytes(total, told if len(names) == 1 else file_name, DISK_ADVICE)
        if math.prod(info.shape) * info.dtype.itemsize > members[name].file_size:
            raise DataError(
                f"{told} is cut short: its header promises shape {info.shape}. Save the file again."
            )
        with archive.open(members[name]) as file:
            arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays, notes


def _describe_choice(
    plan: list[NamedPart],
    infos: Mapping[str, ArrayInfo],
    class_names: str | None,
    file_name: str,
) -> list[str]:
    """Return sentences on which arrays are used and which are not; none where that is plain."""
    used = [name for part in plan for name in (part.examples, part.labels) if name]
    notes = []
    if not set(used) <= set(PLAIN_NAMES):
        labels = [part.labels for part in plan if part.labels]
        classes = f", their classes are {list_names(labels)}" if labels else ""
        examples = list_names(part.examples for part in plan)
        notes.append(f"The examples of {file_name} are {examples}{classes}.")
    unused = [name for name in infos if name not in (*used, class_names)]
    if unused:
        notes.append(f"Left out of {file_name}: {list_names(unused)}.")
    return notes


# -- examples and labels


class LoadedPart(NamedTuple):
    """One part of a set: examples as they are in the file, their labels, and notes."""

    x: Array  # (N, *input_shape)
    labels: Array | None
    notes: list[str]


def _make_raw_from_parts(
    plan: list[NamedPart],
    arrays: Mapping[str, Array],
    class_names: str | None,
    file_name: str,
    allow_missing: bool,
) -> RawData:
    """Return the record of all parts, one after the other."""
    parts = [_load_part(part, arrays, file_name, allow_missing) for part in plan]
    for part, loaded in zip(plan[1:], parts[1:], strict=True):
        _check_alike(plan[0].examples, parts[0].x, part.examples, loaded.x, file_name)
    notes = list(dict.fromkeys(note for part in parts for note in part.notes))
    x = parts[0].x if len(parts) == 1 else np.concatenate([part.x for part in parts])
    labels = _join_labels(plan, parts, file_name, notes)
    if len(parts) > 1:
        notes += _describe_division(plan, parts, file_name)
    if labels is not None and class_names is not None:
        told = f"`{class_names}` in {file_name}"
        labels, note = name_classes(labels, arrays[class_names], told)
        notes.append(note)
    raw = make_raw_from_examples(x, f"`{plan[0].examples}` in {file_name}", notes)
    if len(parts) > 1:
        raw = raw._replace(train_count=len(x) - len(parts[-1].x))
    if labels is None:
        return raw
    y, classes = index_labels(labels)
    return raw._replace(y=y, classes=classes)


def _load_part(
    part: NamedPart, arrays: Mapping[str, Array], file_name: str, allow_missing: bool
) -> LoadedPart:
    """Arrange the examples of a part and read its labels; what is no class is left out."""
    labels = arrays.get(part.labels) if part.labels else None
    told = f"`{part.examples}` in {file_name}"
    count = None
    if labels is not None and labels.ndim:
        count = labels.size if max(labels.shape) == labels.size else len(labels)
    x, note = arrange_array(arrays[part.examples], told, allow_missing, count)
    notes = [note] if note else []
    if labels is None:
        return LoadedPart(x, None, notes)
    assert part.labels is not None
    is_guess = parse_array_name(part.labels).role != "labels"
    try:
        found = find_labels(labels, len(x), f"`{part.labels}` in {file_name}", is_guess)
    except UnusableLabels as error:
        return LoadedPart(x, None, [*notes, f"{error} It is left out."])
    if found.size < labels.size:
        notes.append(f"`{part.labels}` in {file_name} is one-hot: read as one class an example.")
    return LoadedPart(x, found, notes)


def _check_alike(first: str, x: Array, other: str, x_other: Array, file_name: str) -> None:
    """Raise DataError where two parts have other shapes, or pictures of other kinds of numbers."""
    kinds = ["i" if part.dtype.kind == "u" else part.dtype.kind for part in (x, x_other)]
    if x.shape[1:] != x_other.shape[1:] or (x.ndim == 4 and kinds[0] != kinds[1]):
        raise DataError(
            f"`{other}` in {file_name} holds {x_other.dtype} of shape {x_other.shape[1:]}, "
            f"but `{first}` holds {x.dtype} of shape {x.shape[1:]}. Save both alike."
        )


def _join_labels(
    plan: list[NamedPart], parts: list[LoadedPart], file_name: str, notes: list[str]
) -> Array | None:
    """Return the labels of all parts; none, and a note more, where a part has none."""
    lists = [part.labels for part in parts if part.labels is not None]
    if len(lists) < len(parts):
        if lists:
            lacking = [
                named.examples
                for named, part in zip(plan, parts, strict=True)
                if part.labels is None
            ]
            notes.append(
                f"The labels of {file_name} are left out: {list_names(lacking)} has none. "
                "Save labels for all examples to have classes."
            )
        return None
    if len({labels.dtype.kind in "US" for labels in lists}) > 1:
        told = list_names(part.labels or "" for part in plan)
        raise DataError(f"{told} in {file_name} must all be numbers or all be strings.")
    return np.concatenate(lists)


def _describe_division(plan: list[NamedPart], parts: list[LoadedPart], file_name: str) -> list[str]:
    """Return a sentence where the last part is no test set, or the validation part is joined."""
    if plan[-1].part == "validation":
        return [f"`{plan[-1].examples}` in {file_name} is the test set."]
    joined = [
        (named, part) for named, part in zip(plan, parts, strict=True) if named.part == "validation"
    ]
    return [
        f"The {len(part.x):,} examples of `{named.examples}` are training examples too."
        for named, part in joined
    ]
