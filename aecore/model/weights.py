"""Saves and loads models. Files are checked against their config before anything is used.

Nothing is unpickled. Shapes are compared in the file's header, against a model without memory, so
that a hostile config or file costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from aecore.errors import CheckpointError, ConfigError
from aecore.files import CONFIG_FILE, WEIGHTS_FILE, replace_file, write_text_file
from aecore.model.config import VERSION, ModelConfig, RunConfig, parse_options
from aecore.model.config_file import check_plain_file, read_config_values
from aecore.model.knobs import compare_knobs, turn_knobs
from aecore.model.validation import shorten_text

# one entry: several are written in no fixed order, and equal models must have equal bytes
FORMAT = {"aecore_format": "1"}
KNOBS_ENTRY = "aecore_knobs"  # in place of FORMAT where knobs were moved, {path: value} as JSON
MAX_KNOBS_TEXT = 10_000
DTYPE_NAMES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.uint8: "U8",
}
ModelT = TypeVar("ModelT", bound=nn.Module)


def save_model(model: nn.Module, folder: Path, config: RunConfig, present: ModelConfig) -> None:
    """Write config.json and model.safetensors into `folder`, which is created if missing.

    `present` is the model's own config, from which the folder's differs in moved knobs at most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text_file(folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
    write_weights(folder, model, config.model, present)


def write_weights(
    folder: Path, model: nn.Module, config: ModelConfig, present: ModelConfig
) -> None:
    """Replace model.safetensors; with it go the knobs in which `present` differs from `config`."""
    knobs = compare_knobs(config, present)
    metadata = {KNOBS_ENTRY: json.dumps(knobs)} if knobs else None
    write_tensors(folder / WEIGHTS_FILE, model.state_dict(), metadata)


def load_model(model_class: type[ModelT], folder: Path) -> ModelT:
    """Return `model_class(config.model)` with its weights, in evaluation mode without gradients.

    CheckpointError says what is wrong with the folder.
    """
    config = read_present_config(folder)
    try:
        with torch.device("meta"):
            model = model_class(config)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} describes a model that cannot be built: {error}"
        ) from error
    tensors = read_tensors(folder / WEIGHTS_FILE, dict(model.state_dict()))
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def read_config(folder: Path) -> RunConfig:
    """Return the validated config.json of a run folder; CheckpointError says what is wrong."""
    path = folder / CONFIG_FILE
    values = read_config_values(folder)
    try:
        return parse_options(RunConfig, values)
    except ConfigError as error:
        version = values.get("aecore_version") if isinstance(values, dict) else None
        if isinstance(version, str) and is_newer_version(version, VERSION):
            raise CheckpointError(
                f"{path} was made by aecore {shorten_text(version)}, this is {VERSION}: upgrade "
                "aecore to read it."
            ) from error
        raise CheckpointError(f"{path} is not a config of this version: {error}") from error


def read_present_config(folder: Path) -> ModelConfig:
    """Return the model's config with the knobs that its weights hold; CheckpointError as above."""
    config, path = read_config(folder), folder / WEIGHTS_FILE
    with open_tensors(path) as file:
        text = (file.metadata() or {}).get(KNOBS_ENTRY)
    if text is None:
        return config.model
    try:
        knobs = json.loads(text) if len(text) <= MAX_KNOBS_TEXT else None
        if not isinstance(knobs, dict):
            raise ValueError("they are no small JSON object")
        return turn_knobs(RunConfig(model=config.model), knobs).model
    except (ConfigError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} holds knobs that do not fit {CONFIG_FILE}: {error} Pull or copy the run again."
        ) from error


def is_newer_version(version: str, than: str) -> bool:
    """Return True if a version such as 0.10.2 is above another; False if one is no version."""
    numbers, other = _parse_version(version), _parse_version(than)
    return numbers is not None and other is not None and numbers > other


def _parse_version(version: str) -> tuple[int, ...] | None:
    """Return the release numbers of a version without trailing zeros: 0.10.0rc1 -> (0, 10)."""
    release = re.match(r"\d{1,6}(?:\.\d{1,6})*", version, re.ASCII)
    if release is None:
        return None
    numbers = [int(number) for number in release.group().split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def read_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises CheckpointError unless names, shapes and dtypes are those of `expected`, and all finite.
    """
    with open_tensors(path) as file:
        check_tensor_header(path, file, expected)
        # cloned: memory of our own instead of the file's pages
        tensors = {name: file.get_tensor(name).clone() for name in expected}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: tensor {name} holds NaN or infinity. Use an earlier checkpoint."
            )
    return tensors


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Opens a safetensors file; CheckpointError where there is none, or while it is read."""
    check_plain_file(path)
    try:
        with safe_open(path, "pt") as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}: its training has kept no model yet, or the file is "
            "lost. Resume the run, or copy it again."
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is torn or no safetensors file ({error}). Pull or copy it again."
        ) from error


def check_tensor_header(path: Path, file: Any, expected: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError if an open file's header is not the expected one; reads no tensor."""
    names = set(file.keys())
    missing, extra = sorted(set(expected) - names), sorted(names - set(expected))
    if missing:
        raise CheckpointError(
            f"{path} lacks {missing[0]} and {len(missing) - 1} more. Does it belong to this config?"
        )
    if extra:
        raise CheckpointError(
            f"{path} has {len(extra)} unexpected tensors, such as {extra[0][:80]}."
        )
    for name, tensor in expected.items():
        entry = file.get_slice(name)
        layout = (tuple(entry.get_shape()), entry.get_dtype())
        expected_layout = (tuple(tensor.shape), DTYPE_NAMES.get(tensor.dtype))
        if layout != expected_layout:
            raise CheckpointError(
                f"{path}: tensor {name} is {layout}, but the config implies {expected_layout}."
            )


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Replace a safetensors file in one step: readers see the old file or the new one, complete."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(draft: Path) -> None:
        try:
            save_file(on_cpu, draft, metadata=dict(metadata or FORMAT))
        except SafetensorError as error:  # raised for a full disk
            raise OSError(str(error)) from error
        draft.chmod(0o644)  # save_file gives access to the owner alone

    replace_file(path, write)
