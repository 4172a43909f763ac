"""A stand-in: the embedded digits, enlarged to a model's input size, for when its own data is not at hand."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from aecore.data.catalog import CATALOG
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset, Split, as_float
from aecore.errors import AecoreError, DataError
from aecore.model.config import DataConfig, RunConfig

INK = 20 / 28  # share of the side that the digit fills, as in MNIST


def load_data_or_stand_in(
    config: RunConfig,
    read: Callable[[DataConfig], Dataset] = load_dataset,
    stand_in: Callable[[tuple[int, ...]], Dataset] | None = None,
) -> tuple[Dataset, str]:
    """The data of a run, and a remark: empty, or that digits stand in for what is not at hand.

    Nothing is downloaded. `read` and `stand_in` may be remembering versions of `load` and
    `digits_like`. DataError where the data is not at hand and the model takes no images.
    """
    wanted, shape = config.data or DataConfig(), config.model.input_shape
    entry = CATALOG.get(wanted.name)
    problem = "is not on this machine"
    try:
        if entry is None or entry.local():
            if (found := read(wanted)).input_shape == shape:
                return found, ""
            problem = "has another shape now"
    except AecoreError:
        pass
    if len(shape) != 3:
        raise DataError(
            f"This run's data, {wanted.name}, {problem}, and no other data fits the model."
        )
    remark = f"{wanted.name} {problem}: the embedded digits stand in, enlarged to this model's input size."
    return (stand_in or make_stand_in_digits)(shape), remark


def make_stand_in_digits(shape: tuple[int, ...]) -> Dataset:
    """The digits as images (C, H, W), with MNIST's margin."""
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
    """x (N, 1, h, w) -> (N, C, H, W): smoothly enlarged, centred on black."""
    channels, height, width = shape
    ink = max(1, round(height * INK)), max(1, round(width * INK))
    big = F.interpolate(x, size=ink, mode="bicubic", align_corners=False).clamp(0, 1)
    top, left = (height - ink[0]) // 2, (width - ink[1]) // 2
    margins = (left, width - ink[1] - left, top, height - ink[0] - top)
    return F.pad(big, margins).expand(-1, channels, -1, -1).contiguous()
