"""Augmentation: pictures changed at random, afresh at every step, through torchvision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from aecore.model.training import Augmentation

Augment = Callable[[Tensor], Tensor]

CHANGED_ALIKE = 8  # examples of a batch: each call of torchvision takes its time
TURN = 15  # degrees
SHIFT = 0.1  # of a side
CROP_AREA = (0.6, 1.0)
CROP_SHAPE = (3 / 4, 4 / 3)  # width by height
LIGHT, HUE = 0.2, 0.05
BORDER = 0.25  # of the longer side, around a picture while it is turned


def build_augmentation(kinds: Sequence[Augmentation], shape: tuple[int, ...]) -> Augment:
    """Returns what changes a batch of pictures (B, *shape) in [0, 1]; shape is (C, H, W).

    Without kinds it changes nothing, of whatever shape. Every batch draws from torch's own stream
    of random numbers, so that the changes are a function of the seed that was set before; a few
    examples at a time share a draw. What comes from outside a picture is its border, drawn on.
    """
    if not kinds:
        return keep_batch
    from torchvision.transforms import v2

    change = v2.Compose(list_transforms(kinds, (shape[1], shape[2])))

    @torch.no_grad()
    def augment(x: Tensor) -> Tensor:
        return torch.cat([change(part) for part in x.split(CHANGED_ALIKE)]).clamp_(0, 1)

    return augment


def keep_batch(x: Tensor) -> Tensor:
    """Returns the batch as it is."""
    return x


def list_transforms(kinds: Sequence[Augmentation], side: tuple[int, int]) -> list[torch.nn.Module]:
    """Returns the transforms of these kinds, in the order in which they are made."""
    from torchvision.transforms import v2

    transforms: list[torch.nn.Module] = []
    if "crop" in kinds:
        transforms.append(v2.RandomResizedCrop(side, CROP_AREA, CROP_SHAPE, antialias=True))
    if "rotation" in kinds:
        border = math.ceil(BORDER * max(side))
        turn = v2.RandomAffine(degrees=TURN, interpolation=v2.InterpolationMode.BILINEAR)
        transforms += [v2.Pad(border, padding_mode="edge"), turn, v2.CenterCrop(side)]
    if "shift" in kinds:  # by whole pixels, which stay as they are
        border_y, border_x = (math.ceil(SHIFT * length) for length in side)
        transforms += [v2.Pad([border_x, border_y], padding_mode="edge"), v2.RandomCrop(side)]
    if "flip" in kinds:
        transforms.append(v2.RandomHorizontalFlip())
    if "colour" in kinds:
        transforms.append(v2.ColorJitter(LIGHT, LIGHT, LIGHT, HUE))
    return transforms
