"""resume.safetensors: what a resumed run needs to go on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.model.weights import read_tensors, write_tensors
from aecore.training.optimizer import Optimizer


class Position(NamedTuple):
    """The end of the last whole epoch."""

    epoch: int  # how many are done
    best: float  # the watched loss of the best epoch
    since_best: int  # epochs without a better one


def save_position(path: Path, model: Autoencoder, optimizer: Optimizer, position: Position) -> None:
    """Replaces the file at `path` in one step, with weights, optimiser state and position."""
    metadata = {
        "epoch": str(position.epoch),
        "best": repr(position.best),
        "since_best": str(position.since_best),
    }
    write_tensors(path, collect_tensors(model, optimizer), metadata)


def restore_position(path: Path, model: Autoencoder, optimizer: Optimizer) -> Position:
    """Copies the saved tensors into model and optimiser; CheckpointError for an unsound file."""
    tensors = collect_tensors(model, optimizer)
    for name, saved in read_tensors(path, tensors).items():
        tensors[name].copy_(saved)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return Position(
            int(metadata["epoch"]), float(metadata["best"]), int(metadata["since_best"])
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} does not say where the run stood. Start it anew.") from error


def collect_tensors(model: Autoencoder, optimizer: Optimizer) -> dict[str, Tensor]:
    """Returns weights and optimiser state, the tensors themselves, under flat names."""
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state = {f"optimizer.{name}": tensor for name, tensor in optimizer.tensors().items()}
    return weights | state
