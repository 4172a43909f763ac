"""Inputs for a run whose own data is not at hand: the samples that come with the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.sample_inputs import (
    SAMPLE_COUNT,
    has_sample,
    is_shape_of_crops,
    read_photographs,
    read_sample,
)
from aecore.data.splits import Dataset, Split, as_float, make_dataset
from aecore.errors import AecoreError, DataError, RoomError
from aecore.model.config import DataConfig, ModelConfig, RunConfig

StandIn = Callable[[DataConfig, tuple[int, ...]], Dataset]
FOREIGN_NAME = "MNIST sample, resized"
PHOTOGRAPHS_NAME = "sample photographs"
PHOTOGRAPHS_REMARK = (
    "Crops of four photographs that come with the app. The photographs that the model was trained "
    "on are not on this machine."
)
CODEC_DATA = "photographs.npz"  # of the shipped codec: photographs that may not be passed on
MAX_RESIZED_VALUES = 50_000_000  # of a split, 200 MB: fewer images for a stranger's large model


def load_data_or_stand_in(
    config: RunConfig,
    load: Callable[[DataConfig], Dataset] = load_dataset,
    stand_in: StandIn | None = None,
) -> tuple[Dataset, str]:
    """Return the data of a run and a remark, which is empty where that is its own, whole data.

    Else it says what is shown: a sample of it (`is_own_sample`), others of its kind
    (`is_shown_on_photographs`), or digits for which the model was not made. Nothing is downloaded.
    `load` and `stand_in` may be cached versions of `load_dataset` and `make_stand_in`. Raises
    DataError where the data is not at hand and the model takes no images, RoomError where it finds
    no room in memory.
    """
    shape = config.model.input_shape
    data_config = config.data or choose_unnamed_data(config.model)
    entry = CATALOG.get(data_config.name)
    name = data_config.name if entry else Path(data_config.name).name
    problem = "is not on this machine"
    try:
        if entry.is_local() if entry else config.data:
            dataset = load(data_config)
            if dataset.input_shape == shape:
                return dataset, ""
            problem = "has another shape now"
    except RoomError:  # they are there: nothing may stand in for them
        raise
    except AecoreError:
        pass
    if len(shape) != 3:
        raise DataError(f"This run's data, {name}, {problem}, and no other data fits the model.")
    if is_own_sample(data_config, shape):
        remark = f"{SAMPLE_COUNT:,} test images of {CATALOG[name].label} that come with the app."
    elif is_shown_on_photographs(data_config, shape):
        remark = PHOTOGRAPHS_REMARK
    else:
        remark = (
            f"This model was not made for these pictures. Its data, {name}, {problem}: "
            "digits of MNIST are shown, resized to what it takes."
        )
    return (stand_in or make_stand_in)(data_config, shape), remark


def choose_unnamed_data(model: ModelConfig) -> DataConfig:
    """Return what a run without data is shown on: photographs, if it takes any, else digits."""
    if not is_shape_of_crops(model.input_shape):
        return DataConfig()
    return DataConfig(name=CODEC_DATA, limit=model.network.limit_examples(model.input_shape))


def is_own_sample(config: DataConfig, shape: tuple[int, ...]) -> bool:
    """Return True where a sample of this very data comes with the package."""
    return has_sample(config.name) and CATALOG[config.name].input_shape == shape


def is_shown_on_photographs(config: DataConfig, shape: tuple[int, ...]) -> bool:
    """Return True for a model of photographs, which is shown on those that come with the app."""
    return config.name == CODEC_DATA and is_shape_of_crops(shape)


def make_stand_in(config: DataConfig, shape: tuple[int, ...]) -> Dataset:
    """Return the sample of a run's data, divided as its config says.

    Else the sample photographs for a model of such, and digits of its shape for any other.
    """
    if is_own_sample(config, shape):
        name = f"{CATALOG[config.name].label} sample"
        return make_dataset(name, read_sample(config.name), config)
    if is_shown_on_photographs(config, shape):
        return make_dataset(
            PHOTOGRAPHS_NAME, read_photographs(shape), DataConfig(limit=config.limit)
        )
    digits = make_dataset(FOREIGN_NAME, read_sample("mnist"), DataConfig(name="mnist"))

    count = max(1, MAX_RESIZED_VALUES // math.prod(shape))

    def resize(split: Split) -> Split:
        labels = None if split.y is None else split.y[:count]
        return Split(fit_images_to_shape(as_float(split.x[:count]), shape), labels)

    return Dataset(
        name=FOREIGN_NAME,
        kind="image",
        train=resize(digits.train),
        test=resize(digits.test),
        classes=digits.classes,
    )


def fit_images_to_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize grey images x (N, 1, h, w) smoothly to (N, C, H, W)."""
    channels, *size = shape
    if x.shape[2:] != tuple(size):
        x = F.interpolate(x, size=tuple(size), mode="bilinear", antialias=True).clamp(0, 1)
    return x.expand(-1, channels, -1, -1).contiguous()
