"""The border: what is read from disk is checked against what its config implies, before it is used.

Nothing is unpickled. Shapes are compared in the file's header, against a model that has no memory
yet, so that a hostile config or file costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from aecore.errors import CheckpointError, ConfigError
from aecore.files import CONFIG_FILE, WEIGHTS_FILE, replace_file, write_text_file
from aecore.model.config import RunConfig, parse_options

if TYPE_CHECKING:
    from aecore.model.autoencoder import Autoencoder


FORMAT = {
    "aecore_format": "1"
}  # one entry: several are written in no fixed order, and equal models have equal bytes
MAX_CONFIG_BYTES = 100_000


def save_model(model: nn.Module, folder: Path, config: RunConfig) -> None:
    """config.json and model.safetensors in `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text_file(folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
    write_tensors(folder / WEIGHTS_FILE, model.state_dict())


def load_model(kind: type[Autoencoder], folder: Path) -> Autoencoder:
    """A model in evaluation mode without gradients; CheckpointError says what is wrong with the folder."""
    config = read_config(folder)
    try:
        with torch.device("meta"):
            model = kind(config.model)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} describes a model that cannot be built: {error}"
        ) from error
    tensors = read_tensors(
        folder / WEIGHTS_FILE, {name: t for name, t in model.state_dict().items()}
    )
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def read_config(folder: Path) -> RunConfig:
    """The validated config.json of a run folder."""
    path = folder / CONFIG_FILE
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(
                f"{path} has {path.stat().st_size:,} bytes; the limit is {MAX_CONFIG_BYTES:,}."
            )
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {CONFIG_FILE}. Is it a run folder of aecore?"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON ({error}). Pull or copy the run again."
        ) from error
    try:
        return parse_options(RunConfig, values)
    except ConfigError as error:
        raise CheckpointError(f"{path} is not a config of this version: {error}") from error


def read_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, if names, shapes and dtypes are the expected ones and all are finite."""
    try:
        with safe_open(path, "pt") as file:
            check_tensor_header(path, file, expected)
            tensors = {
                name: file.get_tensor(name).clone() for name in expected
            }  # not the file's own pages
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}. Was the run stopped before it began?"
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is torn or no safetensors file ({error}). Pull or copy it again."
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: tensor {name} holds NaN or infinity. Use an earlier checkpoint."
            )
    return tensors


def check_tensor_header(path: Path, file: Any, expected: Mapping[str, Tensor]) -> None:
    """Compare the file's table of contents with the expected one, reading no tensor."""
    names = set(file.keys())
    if missing := sorted(set(expected) - names):
        raise CheckpointError(
            f"{path} lacks {missing[0]} and {len(missing) - 1} more. Does it belong to this config?"
        )
    if extra := sorted(names - set(expected)):
        raise CheckpointError(
            f"{path} has {len(extra)} unexpected tensors, such as {extra[0][:80]}."
        )
    dtypes = {
        torch.float32: "F32",
        torch.float64: "F64",
        torch.int64: "I64",
        torch.float16: "F16",
        torch.uint8: "U8",
    }
    for name, tensor in expected.items():
        part = file.get_slice(name)
        got, wanted = (
            (tuple(part.get_shape()), part.get_dtype()),
            (tuple(tensor.shape), dtypes.get(tensor.dtype)),
        )
        if got != wanted:
            raise CheckpointError(
                f"{path}: tensor {name} is {got}, but the config implies {wanted}."
            )


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Replace a safetensors file in one step: whoever reads sees the old one or the new one, whole."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(draft: Path) -> None:
        try:
            save_file(whole, draft, metadata={**FORMAT, **(metadata or {})})
        except SafetensorError as error:  # its word for a full disk
            raise OSError(str(error)) from error
        draft.chmod(0o644)  # it writes for the owner alone

    replace_file(path, write)
