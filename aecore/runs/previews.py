"""Previews: the same few test inputs as a run reconstructed them at chosen epochs.

They are written, checked and read here. Each is a file of its own,
previews/NNNNN.safetensors, whose number is the epoch. Pixels are kept as bytes, codes in half
precision.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aecore.errors import CheckpointError
from aecore.files import PREVIEWS_FOLDER, is_plain_file, make_plain_folder
from aecore.model.weights import read_tensors, write_tensors

PREVIEW_ROWS = 16  # test inputs that are shown
TRACKED_VALUES = 16_000  # values of codes that each preview keeps, for the map over the epochs
MAX_PREVIEWS, MAX_PREVIEW_BYTES = 1100, 200_000_000  # of a run from elsewhere, all together
SHOWN_BYTES = 16_000_000  # of the inputs of one preview that are read; at least one row is

_PREVIEW_NAME = re.compile(PREVIEWS_FOLDER + r"/[0-9]{1,9}\.safetensors")
_DTYPES = {"U8": torch.uint8, "F32": torch.float32, "F16": torch.float16}
_Layouts = Mapping[str, tuple[tuple[int, ...], torch.dtype]]  # (shape, dtype) by name


class Preview(NamedTuple):
    """One preview, images as uint8 from 0 to 255 and rows of tables as float32."""

    x: Tensor  # (n, *input_shape) test inputs
    reconstruction: Tensor  # like x
    z: Tensor | None = None  # (m, latent_dim) codes of the first m test examples; None in old files


# -- the trainer's side


def choose_preview_rows(count: int) -> Tensor:
    """Returns the rows of a test set of `count` examples that are shown, evenly over the set.

    Sets may be sorted by class.
    """
    return torch.linspace(0, count - 1, min(PREVIEW_ROWS, count)).long()


def count_tracked_codes(latent_dim: int) -> int:
    """Returns how many codes of this size a preview keeps."""
    return max(1, TRACKED_VALUES // latent_dim)


def write_preview(run_folder: Path, epoch: int, preview: Preview) -> None:
    """Writes one preview, given in float32; images have pixels in [0, 1]."""
    folder = run_folder / PREVIEWS_FOLDER
    make_plain_folder(folder)
    tensors = {"x": preview.x, "reconstruction": preview.reconstruction}
    if preview.x.dim() == 4:  # a quarter of the room
        tensors = {name: _to_pixel_bytes(tensor) for name, tensor in tensors.items()}
    if preview.z is not None:
        tensors["z"] = preview.z.half()
    write_tensors(folder / f"{epoch:05d}.safetensors", tensors)


def _to_pixel_bytes(images: Tensor) -> Tensor:
    return (images.clamp(0, 1) * 255).round().byte()


# -- the readers' side


def list_previews(run_folder: Path) -> list[tuple[int, Path]]:
    """Returns (epoch, file) of each preview of a run folder, in order; none behind a link."""
    folder = run_folder / PREVIEWS_FOLDER
    if folder.is_symlink():
        return []
    files = folder.glob("[0-9]*.safetensors")
    previews = [path for path in files if is_preview_name(f"{PREVIEWS_FOLDER}/{path.name}")]
    return sorted((int(path.stem), path) for path in previews)[-MAX_PREVIEWS:]


def read_preview(path: Path, input_shape: tuple[int, ...]) -> Preview:
    """Reads one preview, of the rows of large examples only those within SHOWN_BYTES.

    CheckpointError where it is torn or its examples are not of this shape.
    """
    if not is_plain_file(path, follow_link=False):
        raise CheckpointError(f"{path} is no plain file.")
    rows = max(1, min(PREVIEW_ROWS, SHOWN_BYTES // math.prod(input_shape)))
    try:
        with safe_open(path, "pt") as file:
            layouts = _read_layouts(file)
            _check_layouts(path, layouts, input_shape)
            x, rebuilt = (file.get_slice(name)[:rows].clone() for name in ("x", "reconstruction"))
            z = None
            if "z" in layouts:
                count = count_tracked_codes(max(1, layouts["z"][0][1]))
                z = file.get_slice("z")[:count].clone()
    except (OSError, SafetensorError, KeyError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no preview ({error}).") from error
    return Preview(x, rebuilt, z)


def _read_layouts(file: Any) -> _Layouts:
    """Reads shapes and dtypes of an open file's header; KeyError for a dtype of no preview."""
    parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no dict
    return {
        name: (tuple(part.get_shape()), _DTYPES[part.get_dtype()]) for name, part in parts.items()
    }


def _check_layouts(path: Path, layouts: _Layouts, input_shape: tuple[int, ...]) -> None:
    """Raises CheckpointError where tensors of these layouts are no preview of such inputs."""
    x, z = layouts["x"][0], layouts.get("z", ((0, 0), torch.float16))[0]
    if x[1:] != input_shape or not x[0] or len(z) != 2:
        raise CheckpointError(f"{path} holds other examples than the config says.")
    is_image = len(input_shape) == 3
    if layouts["reconstruction"] != layouts["x"] or (layouts["x"][1] == torch.uint8) > is_image:
        raise CheckpointError(f"{path} holds reconstructions of another kind than its inputs.")


# -- previews from elsewhere


def is_preview_name(name: str) -> bool:
    """Returns whether a path inside a run folder is that of a preview."""
    return _PREVIEW_NAME.fullmatch(name) is not None


def choose_preview_files(sizes: Mapping[str, int | None]) -> list[str]:
    """Returns the previews of a listing {path: bytes}; none if they are too many or too large.

    Those of unknown size are left out.
    """
    known = {name: size for name, size in sizes.items() if size is not None}
    names = [name for name in known if is_preview_name(name)]
    total = sum(known[name] for name in names)
    return names if total <= MAX_PREVIEW_BYTES and len(names) <= MAX_PREVIEWS else []


def keep_sound_previews(run_folder: Path, input_shape: tuple[int, ...]) -> None:
    """Deletes previews that are torn, not finite or not of inputs of this shape."""
    for path in sorted((run_folder / PREVIEWS_FOLDER).glob("*")):
        if not is_preview_name(f"{PREVIEWS_FOLDER}/{path.name}") or not path.is_file():
            continue
        try:
            _check_preview(path, input_shape)
        except (CheckpointError, SafetensorError, OSError, KeyError, IndexError, RuntimeError):
            path.unlink()


def _check_preview(path: Path, input_shape: tuple[int, ...]) -> None:
    """Checks a stranger's preview, its header first; raises where it is not sound and finite."""
    with safe_open(path, "pt") as file:
        layouts = _read_layouts(file)
    _check_layouts(path, layouts, input_shape)
    known = {"x", "reconstruction"} | ({"z"} & set(layouts))
    expected = {name: layouts[name] for name in known}
    read_tensors(
        path,
        {
            name: torch.empty(shape, dtype=dtype, device="meta")
            for name, (shape, dtype) in expected.items()
        },
    )
