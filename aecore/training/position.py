"""resume.safetensors: what a resumed run needs to go on as if nothing had happened."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.model.weights import read_tensors, write_tensors
from aecore.training.averaging import WeightAverage
from aecore.training.optimizer import Optimizer


class Position(NamedTuple):
    """The end of the last whole epoch."""

    epoch: int  # how many are done
    best: float  # the watched loss of the best epoch
    since_best: int  # epochs without a better one
    prior_epoch: int = 0  # the same of the second stage
    prior_best: float = math.inf


class TrainingParts(NamedTuple):
    """What an epoch changes: the weights, their mean and the optimisers' states."""

    model: Autoencoder
    optimizer: Optimizer
    average: WeightAverage
    prior_optimizer: Optimizer  # of the second stage

    def collect_tensors(self) -> dict[str, Tensor]:
        """Returns all of it, the tensors themselves, under flat names."""
        weights = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = {f"optimizer.{name}": tensor for name, tensor in self.optimizer.tensors().items()}
        of_prior = self.prior_optimizer.tensors().items()
        prior_state = {f"prior_optimizer.{name}": tensor for name, tensor in of_prior}
        return weights | state | self.average.list_tensors() | prior_state


def save_position(path: Path, parts: TrainingParts, position: Position) -> None:
    """Replaces the file at `path` in one step."""
    metadata = {
        "epoch": str(position.epoch),
        "best": repr(position.best),
        "since_best": str(position.since_best),
        "prior_epoch": str(position.prior_epoch),
        "prior_best": repr(position.prior_best),
    }
    write_tensors(path, parts.collect_tensors(), metadata)


def restore_position(path: Path, parts: TrainingParts) -> Position:
    """Copies the saved tensors into those of `parts`; CheckpointError for an unsound file."""
    tensors = parts.collect_tensors()
    for name, saved in read_tensors(path, tensors).items():
        tensors[name].copy_(saved)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return Position(
            int(metadata["epoch"]),
            float(metadata["best"]),
            int(metadata["since_best"]),
            int(metadata.get("prior_epoch", 0)),
            float(metadata.get("prior_best", math.inf)),
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} does not say where the run stood. Start it anew.") from error
