"""A field to draw a digit on with mouse, pen, finger or keys: white ink on black, as in MNIST.

Its browser sends 28 x 28 bytes of ink (drawing.js); they are placed here as MNIST places its
digits. The Latent page decodes without the server and encodes at any size, so it places ink in the
browser (aecore/explorer/web/ink.js).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ui.kit.components import register_component

FRAME_SIDE = 28  # pixels of what is sent and of MNIST's digits
INK_SIDE = 20  # pixels that a digit of MNIST fills, centred by its mass
FAINTEST_INK = 0.1

drawing_component = register_component("drawing", Path(__file__).with_suffix(".js"))


def ask_for_drawing(key: str = "drawing") -> Tensor | None:
    """Show the field and return its drawing, (1, 1, 28, 28) in [0, 1], placed as in MNIST.

    None without ink.
    """
    answer: Any = drawing_component(key=key, default={"ink": []}, on_ink_change=lambda: None)
    ink = answer.ink
    if (
        not isinstance(ink, list)
        or len(ink) != FRAME_SIDE * FRAME_SIDE
        or not all(isinstance(value, int) for value in ink)
    ):
        return None
    drawing = torch.tensor(ink, dtype=torch.float32).clamp(0, 255).view(FRAME_SIDE, FRAME_SIDE)
    drawing = drawing / 255
    return place_drawing(drawing)[None, None] if drawing.max() > FAINTEST_INK else None


def place_drawing(drawing: Tensor) -> Tensor:
    """Scale ink (H, W) to fill 20 pixels, and move its centre of mass to the middle of 28 x 28."""
    ink = scale_ink(crop_to_ink(drawing))
    height, width = ink.shape
    top, left = find_centred_start(ink, 0), find_centred_start(ink, 1)
    frame = drawing.new_zeros(FRAME_SIDE, FRAME_SIDE)
    frame[top : top + height, left : left + width] = ink
    return frame.clamp(0, 1)


def crop_to_ink(drawing: Tensor) -> Tensor:
    """The smallest part of (H, W) that holds all ink."""
    has_ink = drawing > FAINTEST_INK
    rows = has_ink.any(1).nonzero().flatten()
    columns = has_ink.any(0).nonzero().flatten()
    return drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def scale_ink(ink: Tensor) -> Tensor:
    """Ink (H, W) with 20 pixels on its longer side."""
    scale = INK_SIDE / max(ink.shape)
    size = tuple(max(1, round(side * scale)) for side in ink.shape)
    return F.interpolate(
        ink[None, None], size=size, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]


def find_centred_start(ink: Tensor, axis: int) -> int:
    """The first pixel of 28, along an axis, that puts the centre of mass of (H, W) in the middle,
    as far as it fits.
    """
    size = ink.shape[axis]
    centre = float((torch.arange(size) * ink.sum(1 - axis)).sum() / ink.sum())
    start = round(FRAME_SIDE / 2 - 0.5 - centre)
    return min(max(start, 0), FRAME_SIDE - size)
