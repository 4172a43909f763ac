"""Pictures: many small images as one, enlarged without blur, and strips as a GIF."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image
from torch import Tensor

GROUND = 128  # neutral grey between the tiles
TILE = 56  # a tile's shorter side, in pixels, at least


def grid(x: Tensor, columns: int | None = None, gap: int = 2) -> Image.Image:
    """x (N, C, H, W) in [0, 1], C 1 or 3 -> one RGB picture, row by row."""
    tiles = to_bytes(x)
    columns = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles))))
    scale = max(1, math.ceil(TILE / min(tiles.shape[1:3])))
    tiles = tiles.repeat(scale, 1).repeat(scale, 2)
    height, width = tiles.shape[1] + gap, tiles.shape[2] + gap
    rows = math.ceil(len(tiles) / columns)
    canvas = np.full((rows * height + gap, columns * width + gap, 3), GROUND, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = gap + i // columns * height, gap + i % columns * width
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas)


def to_bytes(x: Tensor) -> np.ndarray:
    """x (N, C, H, W) in [0, 1] -> uint8 (N, H, W, 3)."""
    pixels = (x.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels


def gif(x: Tensor, milliseconds: int = 80) -> bytes:
    """x (N, C, H, W) in [0, 1] as an animation that runs forth and back, for ever."""
    frames = [grid(image[None]) for image in x]
    frames += frames[-2:0:-1]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
