"""Files that hold arrays: .npz archives, the header of a .npy, and the checks of their values."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from aecore.data.memory import check_data_bytes
from aecore.data.raw import Array, RawData, format_count, index_labels, make_raw_data
from aecore.errors import DataError

DISK_ADVICE = "Use fewer or smaller examples, or save them as a .npy, which is read from the disk."


def read_npz(path: Path, allow_missing: bool = False) -> RawData:
    """Read the array `x` of a .npz and, where present, `y`, `x_test` and `y_test`.

    `x` (or `X`) is N x features, N x H x W or N x C x H x W. Images are bytes, or floats in
    [0, 1]; rows keep their units, and NaN if `allow_missing`. Nothing is ever unpickled. Raises
    DataError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read_arrays(archive, path.name)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path.name} is not a readable .npz file ({error}). Save it again with numpy.savez."
        ) from error
    return _make_raw_from_arrays(arrays, path.name, allow_missing)


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


def check_inputs(
    x: Array, name: str, allow_missing: bool = False, rows: Array | None = None
) -> Array:
    """Return the inputs as (N, C, H, W) uint8 or float32, or (N, features) float32.

    `rows` are the positions of these examples in the whole set, which an error then names.
    Raises DataError for values that no model can learn from.
    """
    check_array_layout(x.shape, x.dtype, name)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim == 4 and x.dtype == np.uint8:
        return x
    x = _check_finite(x, name, allow_missing and x.ndim == 2, rows)
    low, high = (float(x.min()), float(x.max())) if x.size and x.ndim == 4 else (0.0, 0.0)
    if low < 0 or high > 1:
        raise DataError(
            f"{name} has pixels from {low:.3g} to {high:.3g}{_name_rows(rows)}; "
            "floats must lie in [0, 1]. Rescale them."
        )
    return x


def check_array_layout(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise DataError where values of this shape and dtype are neither rows nor images."""
    if len(shape) not in (2, 3, 4) or 0 in shape[1:]:
        raise DataError(
            f"{name} has shape {shape}; it must be N x features, N x H x W or N x C x H x W."
        )
    if dtype.kind not in "fiub":
        raise DataError(f"{name} holds {dtype}; it must hold real numbers.")
    if len(shape) == 4 and shape[1] not in (1, 3):
        hint = " Channels come second: use x.transpose(0, 3, 1, 2)." if shape[3] in (1, 3) else ""
        raise DataError(
            f"{name} has shape {shape}, so {shape[1]} channels; images need 1 or 3.{hint}"
        )
    if len(shape) > 2 and dtype != np.uint8 and dtype.kind != "f":
        raise DataError(
            f"{name} holds images of {dtype}; save them as uint8 (0 to 255) or as floats in [0, 1]."
        )


def count_decoded_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return what an array takes in memory: as it is in the file, or as float32 if that is more."""
    is_image = len(shape) > 2 and dtype == np.uint8
    return math.prod(shape) * max(dtype.itemsize, 1 if is_image else 4)


def _read_arrays(archive: zipfile.ZipFile, file_name: str) -> dict[str, Array]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    arrays: dict[str, Array] = {}
    for key in ("x", "y", "x_test", "y_test"):
        info = members.get(key) or members.get(key.capitalize())
        if info is not None:
            arrays[key] = _read_array(archive, info, f"`{key}` in {file_name}")
    if "x" not in arrays:
        raise DataError(
            f"{file_name} has no array `x`; it holds {', '.join(members) or 'nothing'}. "
            "Save it as `x`."
        )
    return arrays


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(info) as file:  # the header first: it may promise more than memory holds
        shape, _, dtype = read_npy_layout(file)
    if dtype.hasobject:
        raise DataError(
            f"{name} holds Python objects, which are never loaded. Save numbers or strings."
        )
    byte_count = math.prod(shape) * dtype.itemsize
    check_data_bytes(count_decoded_bytes(shape, dtype), name, DISK_ADVICE)
    if byte_count > info.file_size:
        raise DataError(
            f"{name} is cut short: its header promises shape {shape}. Save the file again."
        )
    with archive.open(info) as file:
        return npy.read_array(file, allow_pickle=False)


def _make_raw_from_arrays(arrays: dict[str, Array], file_name: str, allow_missing: bool) -> RawData:
    x = check_inputs(arrays["x"], f"`x` in {file_name}", allow_missing)
    labels = arrays.get("y")
    train_count = None
    if "x_test" in arrays:
        train_count = len(x)
        x_test = check_inputs(arrays["x_test"], f"`x_test` in {file_name}", allow_missing)
        if x_test.shape[1:] != x.shape[1:] or x_test.dtype != x.dtype:
            raise DataError(
                f"`x_test` in {file_name} holds {x_test.dtype} of shape {x_test.shape[1:]}, "
                f"but `x` holds {x.dtype} of shape {x.shape[1:]}. Save both alike."
            )
        labels = _read_both_labels(arrays, file_name)
        x = np.concatenate([x, x_test])
    if labels is None:
        return make_raw_data(x, train_count=train_count)
    y, classes = index_labels(_check_labels(labels, len(x), file_name))
    return make_raw_data(x, y, classes, train_count)


def _read_both_labels(arrays: dict[str, Array], file_name: str) -> Array | None:
    """Return `y` then `y_test`: both or neither are there, each as long as its inputs."""
    if ("y" in arrays) != ("y_test" in arrays):
        has, lacks = ("y", "y_test") if "y" in arrays else ("y_test", "y")
        raise DataError(f"{file_name} has `{has}` but no `{lacks}`. Save both or neither.")
    if "y" not in arrays:
        return None
    y = _check_labels(arrays["y"], len(arrays["x"]), file_name)
    y_test = _check_labels(arrays["y_test"], len(arrays["x_test"]), file_name)
    if (y.dtype.kind in "iub") != (y_test.dtype.kind in "iub"):
        raise DataError(f"`y` and `y_test` in {file_name} must both be numbers or both be strings.")
    return np.concatenate([y, y_test])


def _check_labels(labels: Array, count: int, file_name: str) -> Array:
    if labels.shape != (count,) or labels.dtype.kind not in "iubUS":
        raise DataError(
            f"The labels in {file_name} must be {format_count(count, 'whole number')} or strings, "
            f"one an example; got {labels.dtype} of shape {labels.shape}."
        )
    return labels


def _check_finite(x: Array, name: str, allow_missing: bool, rows: Array | None) -> Array:
    """Return x as float32 if float32 can hold every value; NaN passes if `allow_missing`."""
    with np.errstate(over="ignore"):
        single = x.astype(np.float32, copy=False)
    wrong = np.isinf(single) if allow_missing else ~np.isfinite(single)
    if wrong.any():
        first, *rest = (int(i) for i in np.argwhere(wrong)[0])
        row = first if rows is None else int(rows[first])
        position = f"column {rest[0]}" if len(rest) == 1 else f"position {tuple(rest)}"
        nan_count, inf_count = int(np.isnan(single).sum()), int(np.isinf(single).sum())
        can_keep = nan_count > 0 and x.ndim == 2 and not allow_missing
        hint = ", or set data.missing to keep" if can_keep else ""
        raise DataError(
            f"{name} holds {nan_count} NaN and {inf_count} infinite values{_name_rows(rows)}, "
            f"the first in row {row}, {position} (counted from 0). Remove or fill them{hint}."
        )
    return single


def _name_rows(rows: Array | None) -> str:
    return "" if rows is None else f" among rows {int(rows.min())} to {int(rows.max())}"
