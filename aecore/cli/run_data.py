"""The data that a command shows a run on: its own, others that were named, or what stands in."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from aecore.data.catalog import CATALOG
from aecore.data.splits import Dataset
from aecore.data.stand_in import is_shown_on_photographs, load_data_or_stand_in
from aecore.errors import DataError
from aecore.model.config import DataConfig, TrainConfig
from aecore.runs.plan import load_matching_data
from aecore.runs.run import Run
from aecore.training.preparation import prepare_training_data


def load_run_data(run: Run, other: str | None = None) -> Dataset:
    """Returns the data of a run, or `other` divided in the same way.

    A model of photographs that may not be passed on is shown on others, which is said on stderr.
    DataError where the run's own file is not on this machine.
    """
    config = run.config()
    name = config.data.name if config.data else ""
    if other or not name or name in CATALOG or Path(name).exists():
        return load_matching_data(config, other)
    if config.data and is_shown_on_photographs(config.data, config.model.input_shape):
        dataset, remark = load_data_or_stand_in(config)
        print(remark, file=sys.stderr)
        return dataset
    raise DataError(
        f"The data of {run.id}, {name}, are not on this machine. Bring them to that place, or name "
        "others with: python -m aecore evaluate RUN --data NAME_OR_PATH"
    )


def read_training_examples(run: Run, dataset: Dataset) -> tuple[Tensor, int]:
    """Returns the examples from which the run's trainer takes statistics, and its seed."""
    config = run.config()
    data = prepare_training_data(dataset, config.data or DataConfig(), torch.device("cpu"))
    return data.sample, (config.training or TrainConfig()).seed
