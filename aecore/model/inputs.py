"""Checks of what a model is given: tensors of floating numbers, of the right shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aecore.errors import ConfigError


def check_floats(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x in that precision; ConfigError for what is no tensor of floating numbers."""
    if not isinstance(x, Tensor):
        raise ConfigError(
            f"This model takes a torch.Tensor, got {type(x).__name__}. "
            "Make one of an array or a list: torch.as_tensor(x)."
        )
    if not x.is_floating_point():
        raise ConfigError(
            f"This model takes floating numbers, got {x.dtype}. "
            "Pixels are from 0 to 1: x / 255 of bytes; columns are x.float()."
        )
    return x if x.dtype == dtype else x.to(dtype)


def check_shape(x: Tensor, input_shape: Sequence[int]) -> Tensor:
    """Return x if its shape is (N, *input_shape); ConfigError otherwise."""
    if tuple(x.shape[1:]) != tuple(input_shape):
        sides = ", ".join(map(str, input_shape))
        raise ConfigError(
            f"This model takes N examples as one tensor of shape (N, {sides}), "
            f"got shape {tuple(x.shape)}."
        )
    return x
