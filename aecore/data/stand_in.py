"""Embedded digits, enlarged to a model's input size, for when its own data is not at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, Split, as_float
from aecore.errors import AecoreError, DataError, RoomError
from aecore.model.config import DataConfig, RunConfig

DIGIT_SHARE = 20 / 28
"""Share of the image's side that a digit fills, as in MNIST."""


def load_data_or_stand_in(
    config: RunConfig,
    load: Callable[[DataConfig], Dataset] = load_dataset,
    stand_in: Callable[[tuple[int, ...]], Dataset] | None = None,
) -> tuple[Dataset, str]:
    """Return the data of a run and a remark, which is empty or says that digits stand in for it.

    Nothing is downloaded. `load` and `stand_in` may be cached versions of `load_dataset` and
    `make_stand_in_digits`. Raises DataError where the data is not at hand and the model takes no
    images, RoomError where it finds no room in memory.
    """
    data_config, shape = config.data or DataConfig(), config.model.input_shape
    entry = CATALOG.get(data_config.name)
    name = data_config.name if entry else Path(data_config.name).name
    problem = "is not on this machine"
    try:
        if entry is None or entry.is_local():
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
    remark = f"{name} {problem}: the embedded digits stand in, enlarged to this model's input size."
    return (stand_in or make_stand_in_digits)(shape), remark


def make_stand_in_digits(shape: tuple[int, ...]) -> Dataset:
    """Return the digits as images (C, H, W), with MNIST's margin."""
    digits = load_dataset(DataConfig(name="digits"))

    def enlarge(split: Split) -> Split:
        return Split(fit_images_to_shape(as_float(split.x), shape), split.y)

    return Dataset(
        name="digits, enlarged",
        kind="image",
        train=enlarge(digits.train),
        test=enlarge(digits.test),
        classes=digits.classes,
    )


def fit_images_to_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Enlarge x (N, 1, h, w) smoothly to (N, C, H, W), centred on black."""
    channels, height, width = shape
    size = max(1, round(height * DIGIT_SHARE)), max(1, round(width * DIGIT_SHARE))
    enlarged = F.interpolate(x, size=size, mode="bicubic", align_corners=False).clamp(0, 1)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    margins = (left, width - size[1] - left, top, height - size[0] - top)
    return F.pad(enlarged, margins).expand(-1, channels, -1, -1).contiguous()
