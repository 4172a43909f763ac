"""Files that hold arrays, .npz first of all, and the record that every reader returns."""

from __future__ import annotations

import math
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy

from aecore.data.memory import allowed_data_bytes
from aecore.errors import DataError

DataKind = Literal["image", "table", "manifold"]
Array = np.ndarray[Any, np.dtype[Any]]


MAX_ARRAY_BYTES = allowed_data_bytes()
"""The most that one data set may take in memory once decoded; arrays and images above it are read from the disk."""


TO_DISK = "Use fewer or smaller examples, or save them as a .npy, which is read from the disk."


class RawData(NamedTuple):
    """What a reader found, before it is split."""

    kind: DataKind
    x: Array  # (N, C, H, W) or (N, features); uint8 or float32
    y: Array | None = None  # (N,) int64
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    train: int | None = None  # the set's own split: so many rows to train with, the rest to test
    names: tuple[str, ...] = ()  # of files, one an example
    notes: tuple[str, ...] = ()  # what was left out or changed, and why


def format_count(count: int, noun: str) -> str:
    """`1 row`, `3 rows`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def check_data_bytes(count: int, what: str, advice: str = "Use fewer or smaller examples.") -> None:
    """Raises DataError if `count` bytes are more than a data set may take."""
    if count > MAX_ARRAY_BYTES:
        raise DataError(
            f"{what} would take {count / 1e9:.3g} GB in memory, more than the limit of "
            f"{MAX_ARRAY_BYTES / 1e9:.3g} GB. {advice}"
        )


def index_labels(labels: Array) -> tuple[Array, tuple[str, ...]]:
    """(N,) ints or strings -> (N,) int64 indices into the sorted class names."""
    if labels.dtype.kind == "S":
        labels = np.strings.decode(labels, "utf-8", "replace")
    values, y = np.unique(labels, return_inverse=True)
    return y.astype(np.int64), tuple(str(value) for value in values)


def read_npz(path: Path, missing: bool = False) -> RawData:
    """Reads `x` (N x features, N x H x W or N x C x H x W) and, where present, `y`, `x_test`, `y_test`.

    Images are bytes, or floats in [0, 1]; rows keep their units, and NaN if `missing` allows for it. `X` does for
    `x`. Nothing is ever unpickled.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _read_arrays(archive, path.name)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path.name} is not a readable .npz file ({error}). Save it again with numpy.savez."
        ) from error
    return _make_raw_from_arrays(found, path.name, missing)


def _read_arrays(archive: zipfile.ZipFile, where: str) -> dict[str, Array]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    found: dict[str, Array] = {}
    for key in ("x", "y", "x_test", "y_test"):
        info = members.get(key) or members.get(key.capitalize())
        if info is not None:
            found[key] = _read_array(archive, info, f"`{key}` in {where}")
    if "x" not in found:
        raise DataError(
            f"{where} has no array `x`; it holds {', '.join(members) or 'nothing'}. Save it as `x`."
        )
    return found


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> Array:
    with archive.open(info) as file:  # the header first: it may promise more than memory holds
        shape, _, dtype = read_npy_layout(file)
    if dtype.hasobject:
        raise DataError(
            f"{what} holds Python objects, which are never loaded. Save numbers or strings."
        )
    check_data_bytes(math.prod(shape) * dtype.itemsize, what, TO_DISK)
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise DataError(
            f"{what} is cut short: its header promises shape {shape}. Save the file again."
        )
    with archive.open(info) as file:
        return npy.read_array(file, allow_pickle=False)


def read_npy_layout(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and kind of the values of a .npy, of which only the header is read."""
    first = npy.read_magic(file) == (1, 0)
    shape, columns_first, dtype = (
        npy.read_array_header_1_0 if first else npy.read_array_header_2_0
    )(file)
    if any(side < 0 for side in shape):
        raise ValueError(f"its header has the shape {shape}")
    return shape, columns_first, dtype


def _make_raw_from_arrays(found: dict[str, Array], where: str, missing: bool) -> RawData:
    x = check_inputs(found["x"], f"`x` in {where}", missing)
    labels = found.get("y")
    train = None
    if "x_test" in found:
        train, test = len(x), check_inputs(found["x_test"], f"`x_test` in {where}", missing)
        if test.shape[1:] != x.shape[1:] or test.dtype != x.dtype:
            raise DataError(
                f"`x_test` in {where} holds {test.dtype} of shape {test.shape[1:]}, "
                f"but `x` holds {x.dtype} of shape {x.shape[1:]}. Save both alike."
            )
        labels = _read_both_labels(found, where)
        x = np.concatenate([x, test])
    y, classes = (
        (None, ()) if labels is None else index_labels(_check_labels(labels, len(x), where))
    )
    return make_raw_data(x, y, classes, train)


def make_raw_data(
    x: Array, y: Array | None = None, classes: tuple[str, ...] = (), train: int | None = None
) -> RawData:
    """The record of normalised inputs: rows are a table with numbered columns."""
    if x.ndim == 2:
        return RawData("table", x, y, classes, tuple(f"x{i}" for i in range(x.shape[1])), train)
    return RawData("image", x, y, classes, (), train)


def _read_both_labels(found: dict[str, Array], where: str) -> Array | None:
    """`y` then `y_test`: both or neither, each as long as its inputs."""
    if ("y" in found) != ("y_test" in found):
        has, lacks = ("y", "y_test") if "y" in found else ("y_test", "y")
        raise DataError(f"{where} has `{has}` but no `{lacks}`. Save both or neither.")
    if "y" not in found:
        return None
    parts = [_check_labels(found[f"y{end}"], len(found[f"x{end}"]), where) for end in ("", "_test")]
    if (parts[0].dtype.kind in "iub") != (parts[1].dtype.kind in "iub"):
        raise DataError(f"`y` and `y_test` in {where} must both be numbers or both be strings.")
    return np.concatenate(parts)


def _check_labels(labels: Array, count: int, where: str) -> Array:
    if labels.shape != (count,) or labels.dtype.kind not in "iubUS":
        raise DataError(
            f"The labels in {where} must be {format_count(count, 'whole number')} or strings, one an example; "
            f"got {labels.dtype} of shape {labels.shape}."
        )
    return labels


def check_inputs(x: Array, what: str, missing: bool = False, rows: Array | None = None) -> Array:
    """(N, C, H, W) uint8 or float32, or (N, features) float32, of values that a model can learn from. DataError.

    `rows`: where the examples of a part stand in the whole, so that an error can say where to look.
    """
    check_array_layout(x.shape, x.dtype, what)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim == 4 and x.dtype == np.uint8:
        return x
    x = _check_finite(x, what, missing and x.ndim == 2, rows)
    low, high = (float(x.min()), float(x.max())) if x.size and x.ndim == 4 else (0.0, 0.0)
    if low < 0 or high > 1:
        raise DataError(
            f"{what} has pixels from {low:.3g} to {high:.3g}{_name_rows(rows)}; floats must lie in [0, 1]. Rescale them."
        )
    return x


def check_array_layout(shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> None:
    """Raises DataError where values of this shape and kind are neither rows nor images."""
    if len(shape) not in (2, 3, 4) or 0 in shape[1:]:
        raise DataError(
            f"{what} has shape {shape}; it must be N x features, N x H x W or N x C x H x W."
        )
    if dtype.kind not in "fiub":
        raise DataError(f"{what} holds {dtype}; it must hold real numbers.")
    if len(shape) == 4 and shape[1] not in (1, 3):
        hint = " Channels come second: use x.transpose(0, 3, 1, 2)." if shape[3] in (1, 3) else ""
        raise DataError(
            f"{what} has shape {shape}, so {shape[1]} channels; images need 1 or 3.{hint}"
        )
    if len(shape) > 2 and dtype != np.uint8 and dtype.kind != "f":
        raise DataError(
            f"{what} holds images of {dtype}; save them as uint8 (0 to 255) or as floats in [0, 1]."
        )


def _check_finite(x: Array, what: str, missing: bool, rows: Array | None) -> Array:
    """As float32, if float32 can hold every value; NaN passes if `missing` allows for it."""
    with np.errstate(over="ignore"):
        single = x.astype(np.float32, copy=False)
    wrong = np.isinf(single) if missing else ~np.isfinite(single)
    if wrong.any():
        first, *rest = (int(i) for i in np.argwhere(wrong)[0])
        row = first if rows is None else int(rows[first])
        place = f"column {rest[0]}" if len(rest) == 1 else f"position {tuple(rest)}"
        empty = int(np.isnan(single).sum())
        hint = ", or set data.missing to keep" if empty and x.ndim == 2 and not missing else ""
        raise DataError(
            f"{what} holds {empty} NaN and {int(np.isinf(single).sum())} infinite values{_name_rows(rows)}, "
            f"the first in row {row}, {place} (counted from 0). Remove or fill them{hint}."
        )
    return single


def _name_rows(rows: Array | None) -> str:
    return "" if rows is None else f" among rows {int(rows.min())} to {int(rows.max())}"


def read_idx(data: bytes) -> Array:
    """The IDX format of MNIST: bytes of any shape, the header's sizes checked against the length."""
    dims = data[3] if len(data) >= 4 and data[:3] == b"\x00\x00\x08" else 0
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims))
    if not dims or len(data) != 4 + 4 * dims + math.prod(shape):
        raise ValueError("an IDX file is torn or of another format")
    return np.frombuffer(bytearray(data), np.uint8, offset=4 + 4 * dims).reshape(shape)


def read_cifar_records(data: bytes, classes: int) -> tuple[Array, Array]:
    """CIFAR-10's binary records, a label byte and 3 x 32 x 32 bytes -> (N, 3, 32, 32), (N,)."""
    rows = np.frombuffer(bytearray(data), np.uint8).reshape(-1, 3073)
    if len(rows) == 0 or rows[:, 0].max() >= classes:
        raise ValueError("a batch is empty or a label is out of range")
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64)


def read_tar(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The named members of a .tar.gz, in one pass and without unpacking it to disk."""
    found: dict[str, bytes] = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name in names else None
            if file is not None:
                found[member.name] = file.read()
    return found
