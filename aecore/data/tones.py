"""The tones of pictures: nearly black and white, as of writing, or of all greys, as photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NEARLY_BLACK, NEARLY_WHITE = 0.1, 0.9
MANY_MIDTONES = 0.5  # share of the pixels: MNIST has 0.09, digits 0.35, photographs 0.8 or more
TONE_PICTURES = 1000  # from which they are known well enough


def has_many_midtones(x: Tensor) -> bool:
    """Return True where half the pixels of pictures x (N, C, H, W) or more are neither.

    x is float in [0, 1].
    """
    is_between = (x > NEARLY_BLACK) & (x < NEARLY_WHITE)
    return is_between.float().mean().item() >= MANY_MIDTONES
