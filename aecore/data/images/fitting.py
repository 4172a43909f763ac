"""Images made to fit a model that was trained on others: their size, and grey or colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from aecore.data.raw import spell_shape
from aecore.data.splits import as_float
from aecore.errors import DataError

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey (ITU-R BT.601)
RESIZE_CHUNK = 1024  # images at a time


def resize_images(x: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    """Return images (N, C, H, W) as uint8 of `shape` (C', H', W'), and what was done to them.

    The second is a sentence for the page, empty where nothing was done. Raises DataError for
    channels that neither grey nor colour become.
    """
    source_shape = tuple(x.shape[1:])
    if source_shape == shape:
        return x, ""
    if shape[0] not in (source_shape[0], 1, 3) or source_shape[0] not in (shape[0], 1, 3):
        raise DataError(
            f"These pictures have {source_shape[0]} channels, but this run takes {shape[0]}. "
            "Choose another run."
        )
    images = torch.cat([resize_chunk(chunk, shape) for chunk in x.split(RESIZE_CHUNK)])
    before, after = spell_shape(source_shape), spell_shape(shape)
    return images, f"Pictures of {before} were made to fit this run's {after}."


def resize_chunk(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return images (N, C, H, W) as uint8 of `shape`: grey or colour, by antialiased bilinear."""
    x = as_float(x)
    if shape[0] == 1 and x.shape[1] == 3:
        x = (x * torch.tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    if x.shape[2:] != shape[1:]:
        x = F.interpolate(x, size=shape[1:], mode="bilinear", antialias=True, align_corners=False)
    return x.clamp(0, 1).mul(255).round().byte().expand(-1, shape[0], -1, -1)
