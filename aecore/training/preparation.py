"""The start of a training run: its examples on the device, and a model fitted to their scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.groups import draw_whole_groups
from aecore.data.splits import Dataset, as_float
from aecore.data.stored import StoredArray
from aecore.errors import ConfigError, RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from aecore.model.parts.networks.pretrained import PretrainedNetwork
from aecore.runs.run import Run
from aecore.training.devices import limited_threads

# data that fits is kept on the device as float, indexed and never decoded again
RESIDENT_BYTES = 4 * 2**30
STATISTICS_CHUNK = 4096


class TrainingData(NamedTuple):
    """The examples of a run, divided; all but `test` and a set on the disk are on the device."""

    train: Tensor | StoredArray
    validation: Tensor  # (N, *input_shape), empty where none is held out
    sample: Tensor  # training examples from which statistics are taken: all where memory holds them
    test: Tensor


class Examples(NamedTuple):
    """The data of a run: the set, and its examples as they are trained on."""

    dataset: Dataset
    data: TrainingData


def require_settings(run: Run, config: RunConfig) -> tuple[DataConfig, TrainConfig]:
    """Returns the settings of data and training; RunError where the run has none."""
    check_trainable(run, config)
    if config.data is None or config.training is None:
        raise RunError(
            f"{run.id} holds a model without its data and training settings, "
            "so it cannot be trained. Start a new run."
        )
    return config.data, config.training


def check_trainable(run: Run, config: RunConfig) -> None:
    """Raises RunError for a run of published weights, which is read-only."""
    network = config.model.network
    if isinstance(network, PretrainedNetwork):
        raise RunError(
            f"{run.id} is read-only: its weights are those of {network.source or 'another model'}, "
            "and are not trained here. Start a run of your own."
        )


def load_examples(
    config: DataConfig, device: torch.device, report: Callable[[str, float], None]
) -> Examples:
    """Returns the data set, and its examples on the device; `report` is told of a download."""
    dataset = load_dataset(config, report)
    return Examples(dataset, prepare_training_data(dataset, config, device))


def check_examples(dataset: Dataset, config: DataConfig, model: ModelConfig) -> None:
    """Raises RunError where the data changed after the run was made, or have cells too few."""
    if dataset.input_shape != model.input_shape:
        raise RunError(
            f"{config.name} now has examples of shape {dataset.input_shape}, but this run was "
            f"made for {model.input_shape}. Restore the data or start a new run."
        )
    x = dataset.train.x
    if not model.missing and x.is_floating_point() and x.isnan().any():
        raise RunError(
            f"{config.name} has missing cells, but this model is for whole examples. "
            "Set missing to true, or fill the cells."
        )


def prepare_training_data(
    dataset: Dataset, config: DataConfig, device: torch.device
) -> TrainingData:
    """Holds out the validation examples, and moves what fits to the device."""
    train, validation = hold_out_validation(dataset, config)
    if isinstance(train, StoredArray):
        sample = move_examples(dataset.train.x, device)
    else:
        train = sample = move_examples(train, device)
    return TrainingData(train, move_examples(validation, device), sample, dataset.test.x)


def hold_out_validation(
    dataset: Dataset, config: DataConfig
) -> tuple[Tensor | StoredArray, Tensor]:
    """Returns training and validation examples, divided by the data's own seed.

    Examples of one group stay together; where all are of one, none is held out.
    Of a set on the disk no more are held out than fit in memory.
    """
    x = dataset.train.x
    if dataset.stored is not None:
        count = min(round(len(dataset.stored) * config.validation_fraction), len(x))
        return dataset.stored.hold_out(count, config.split_seed + 1)
    count = round(len(x) * config.validation_fraction)
    if not 0 < count < len(x):
        return x, x[:0]
    if dataset.train.groups is not None:
        rest, held_out = draw_whole_groups(
            dataset.train.groups.numpy(), count, config.split_seed + 1
        )
        return x[rest.sort().values], x[held_out]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(config.split_seed + 1))
    return x[order[count:].sort().values], x[order[:count]]


def move_examples(x: Tensor, device: torch.device) -> Tensor:
    """Returns x (N, *input_shape) on the device, as float where there is room for that."""
    return (as_float(x) if x.numel() * 4 <= RESIDENT_BYTES else x).to(device)


@limited_threads(1)  # sums are the same on every machine
def build_initial_model(
    config: ModelConfig, sample: Tensor, device: torch.device, seed: int
) -> Autoencoder:
    """Returns a new model on the device, its scaling and output bias fitted to `sample`.

    `sample` is (N, *input_shape). Raises ConfigError where a cross-entropy would meet values that
    are no probabilities.
    """
    torch.manual_seed(seed)
    model = Autoencoder(config).to(device)
    if config.scaling != "none":
        model.fit_scaling(as_float(sample))
    check_probabilities(model, sample)
    model.fit_output(mean_in_network_units(model, sample))
    return model


def check_probabilities(model: Autoencoder, sample: Tensor) -> None:
    """Raises ConfigError where a likelihood of [0, 1] meets values outside [0, 1]."""
    if not model.config.likelihood.needs_unit_interval or not sample.is_floating_point():
        return
    low, high = (bound.item() for bound in model.to_scaled(sample).aminmax())
    if low < 0 or high > 1:
        raise ConfigError(
            f"A {model.config.likelihood.kind} likelihood needs values between 0 and 1, "
            f"but these go from {low:.3g} to {high:.3g}. "
            "Set scaling to minmax, or use the gaussian likelihood."
        )


def mean_in_network_units(model: Autoencoder, sample: Tensor) -> Tensor:
    """Returns the mean (*input_shape) of `sample`, in the units of the network."""
    total = torch.zeros((), dtype=torch.float64, device=sample.device)
    for part in sample.split(STATISTICS_CHUNK):
        total = total + model.to_scaled(as_float(part)).sum(0, dtype=torch.float64)
    return (total / len(sample)).float()
