"""A stand-in: the embedded digits, enlarged to a model's input size, for when its own data is not at hand."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from aecore.config import DataConfig
from aecore.data import Dataset, Split, as_float, load

INK = 20 / 28  # share of the side that the digit fills, as in MNIST


def digits_like(shape: tuple[int, ...]) -> Dataset:
    """The digits as images (C, H, W), with MNIST's margin."""
    digits = load(DataConfig(name="digits"))

    def enlarge(split: Split) -> Split:
        return Split(fit(as_float(split.x), shape), split.y)

    return Dataset(
        name="digits, enlarged",
        kind="image",
        train=enlarge(digits.train),
        test=enlarge(digits.test),
        classes=digits.classes,
    )


def fit(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x (N, 1, h, w) -> (N, C, H, W): smoothly enlarged, centred on black."""
    channels, height, width = shape
    ink = max(1, round(height * INK)), max(1, round(width * INK))
    big = F.interpolate(x, size=ink, mode="bicubic", align_corners=False).clamp(0, 1)
    top, left = (height - ink[0]) // 2, (width - ink[1]) // 2
    margins = (left, width - ink[1] - left, top, height - ink[0] - top)
    return F.pad(big, margins).expand(-1, channels, -1, -1).contiguous()
