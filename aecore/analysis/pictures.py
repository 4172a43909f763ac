"""Pictures: many small images as one, enlarged without blur, and strips as a GIF."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BACKGROUND = 128  # neutral grey between the tiles
TILE_SIDE = 56  # a tile's shorter side, in pixels, at least


def draw_grid(x: Tensor, columns: int | None = None, gap: int = 2) -> Image.Image:
    """x (N, C, H, W) in [0, 1], C 1 or 3 -> one RGB picture, row by row."""
    tiles = to_rgb_bytes(x)
    columns = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles))))
    scale = max(1, math.ceil(TILE_SIDE / min(tiles.shape[1:3])))
    tiles = tiles.repeat(scale, 1).repeat(scale, 2)
    height, width = tiles.shape[1] + gap, tiles.shape[2] + gap
    rows = math.ceil(len(tiles) / columns)
    canvas = np.full((rows * height + gap, columns * width + gap, 3), BACKGROUND, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = gap + i // columns * height, gap + i % columns * width
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas)


def to_rgb_bytes(x: Tensor) -> np.ndarray:
    """x (N, C, H, W) in [0, 1] -> uint8 (N, H, W, 3)."""
    pixels = (x.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels


def encode_gif(x: Tensor, milliseconds: int = 80) -> bytes:
    """x (N, C, H, W) in [0, 1] as an animation that runs forth and back, for ever."""
    grey = bool(
        (x == x[:, :1]).all()
    )  # it needs no palette to be searched for, which is what takes time
    frames = [draw_grid(image[None]).convert("L" if grey else "RGB") for image in x]
    frames += frames[-2:0:-1]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    return buffer.getvalue()


def encode_png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


DIVERGING = np.array(
    [[33, 102, 172], [247, 247, 247], [178, 24, 43]], np.float32
)  # blue, white, red: colour-blind safe


def make_tiles(x: Tensor, limit: float | None = None) -> Tensor:
    """Examples as images (N, 3, H, W) in [0, 1]: pictures as they are, rows of a table as coloured bars.

    A row (N, features) becomes one bar a column, blue below zero and red above, full at +-`limit`.
    """
    if x.dim() == 4:
        return x.clamp(0, 1).expand(-1, 3, -1, -1) if x.shape[1] == 1 else x.clamp(0, 1)
    columns = min(x.shape[1], max(1, math.ceil(math.sqrt(x.shape[1]))))
    rows = math.ceil(x.shape[1] / columns)
    cells = x.new_zeros(len(x), rows * columns)
    cells[:, : x.shape[1]] = x
    return colour_signed(cells.unflatten(1, (1, rows, columns)), limit)


def colour_signed(x: Tensor, limit: float | None = None) -> Tensor:
    """Signed values (N, C, H, W) -> colours (N, 3, H, W): channel mean, white at zero, full at +-`limit`.

    What is not known, NaN, is grey.
    """
    value = x.mean(1).detach().cpu().numpy()
    limit = limit or float(np.abs(value[~np.isnan(value)]).max(initial=0.0)) or 1.0
    share = np.clip(value / limit, -1, 1)[..., None]
    blue, white, red = DIVERGING
    mixed = np.where(share < 0, white + (white - blue) * share, white + (red - white) * share) / 255
    mixed = np.where(np.isnan(share), BACKGROUND / 255, mixed)
    return torch.from_numpy(mixed.astype(np.float32)).permute(0, 3, 1, 2)


class SheetBlock(NamedTuple):
    """Strips of one origin, for a sheet: such as what one run made of the same examples."""

    title: str
    detail: str
    colour: str
    strips: Mapping[
        str, Image.Image
    ]  # by the name of the row; all strips of a sheet are equally wide


def draw_strip(x: Tensor, width: int, gap: int = 4) -> Image.Image:
    """x (N, 3, H, W) in [0, 1] side by side, each enlarged without blur to `width` pixels."""
    height = max(1, round(x.shape[2] * width / x.shape[3]))
    framed = F.pad(
        F.interpolate(x, size=(height, width)), (gap, 0, gap, gap), value=BACKGROUND / 255
    )
    joined = F.pad(torch.cat(list(framed), dim=2), (0, gap), value=BACKGROUND / 255)
    return Image.fromarray(to_rgb_bytes(joined[None])[0])


def choose_tile_width(shape: Sequence[int], least: int = 2 * TILE_SIDE) -> int:
    """The smallest multiple of an image's width, shape (C, H, W), that is `least` pixels or more."""
    return shape[2] * math.ceil(least / shape[2]) if len(shape) == 3 else least


def colour_codes(z: Tensor) -> Tensor:
    """Codes (N, d) -> colours (N, 3, rows, columns), about twice as wide as high; white at zero, one scale."""
    columns = min(z.shape[1], math.ceil(math.sqrt(2 * z.shape[1])))
    rows = math.ceil(z.shape[1] / columns)
    cells = F.pad(z, (0, rows * columns - z.shape[1]))
    return colour_signed(cells.unflatten(1, (1, rows, columns)))


def draw_sheet(blocks: Sequence[SheetBlock], footer: str = "", size: int = 22) -> Image.Image:
    """Blocks under each other with their names drawn in, on white: a picture that explains itself elsewhere."""
    font, pad, bar, line = ImageFont.load_default(size), size, size // 3, size * 3 // 2
    rows = [(name, image) for block in blocks for name, image in block.strips.items()]
    left = bar + pad + max(int(font.getlength(name)) for name, _ in rows) + pad
    heads = [f"{block.title}  {block.detail}".strip() for block in blocks]
    right = left + int(max(*(image.width for _, image in rows), *map(font.getlength, heads)))
    notes = textwrap.wrap(footer, max(20, int((right - bar - pad) / (size * 0.53))))
    height = (
        sum(image.height for _, image in rows)
        + len(blocks) * (line + pad)
        + len(notes) * line
        + 2 * pad
    )
    canvas = Image.new("RGB", (right + pad, height), "white")
    pen, y = ImageDraw.Draw(canvas), pad
    for block, head in zip(blocks, heads, strict=True):
        pen.rectangle(
            (0, y, bar, y + line + sum(image.height for image in block.strips.values())),
            block.colour,
        )
        pen.text((left, y), head, fill="#111111", font=font)
        y += line
        for name, image in block.strips.items():
            pen.text((bar + pad, y + (image.height - size) // 2), name, fill="#555555", font=font)
            canvas.paste(image, (left, y))
            y += image.height
        y += pad
    for i, text in enumerate(notes):
        pen.text((bar + pad, y + i * line), text, fill="#555555", font=font)
    return canvas
