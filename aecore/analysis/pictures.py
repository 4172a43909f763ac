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
MAX_TILE_SIDE = 1024  # a tile's longer side; of larger images every second pixel is drawn, or fewer
# blue, white, red: colour-blind safe
DIVERGING = np.array([[33, 102, 172], [247, 247, 247], [178, 24, 43]], np.float32)


def draw_grid(x: Tensor, columns: int | None = None, gap: int = 2) -> Image.Image:
    """Draws images x (N, C, H, W) in [0, 1] into one RGB picture, row by row.

    Other channels than grey and RGB are shown as `to_three_channels` does.
    """
    tiles = enlarge_tiles(to_rgb_bytes(thin_images(x)))
    columns = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles))))
    height, width = tiles.shape[1] + gap, tiles.shape[2] + gap
    rows = math.ceil(len(tiles) / columns)
    canvas = np.full((rows * height + gap, columns * width + gap, 3), BACKGROUND, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = gap + i // columns * height, gap + i % columns * width
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas)


def thin_images(x: Tensor) -> Tensor:
    """Returns images x (N, C, H, W) with no more rows and columns than MAX_TILE_SIDE."""
    step, across = (math.ceil(side / MAX_TILE_SIDE) for side in x.shape[2:])
    return x[:, :, ::step, ::across]


def enlarge_tiles(tiles: np.ndarray) -> np.ndarray:
    """Repeats pixels of tiles (N, H, W, 3) until the shorter side is TILE_SIDE.

    A side that would grow beyond MAX_TILE_SIDE stays smaller: a line of many pixels becomes a band.
    """
    scale = max(1, math.ceil(TILE_SIDE / min(tiles.shape[1:3])))
    for axis in (1, 2):
        tiles = tiles.repeat(max(1, min(scale, MAX_TILE_SIDE // tiles.shape[axis])), axis)
    return tiles


def to_rgb_bytes(x: Tensor) -> np.ndarray:
    """Returns images x (N, C, H, W) in [0, 1] as uint8 (N, H, W, 3)."""
    pixels = (x.detach().cpu().clamp(0, 1) * 255).round().byte()
    return to_three_channels(pixels).permute(0, 2, 3, 1).contiguous().numpy()


def to_three_channels(x: Tensor) -> Tensor:
    """Returns images x (N, C, H, W) with three channels, in false colour where there are others.

    Grey is repeated, two bands are red and cyan, and of four or more the first three are shown.
    """
    channels = x.shape[1]
    if channels == 1:
        return x.expand(-1, 3, -1, -1)
    return x[:, [0, 1, 1]] if channels == 2 else x[:, :3]


def describe_channels(channels: int) -> str:
    """Returns how images of so many channels are shown: in grey, in colour, in false colour."""
    if channels in (1, 3):
        return "in grey" if channels == 1 else "in colour"
    shown = "as red and cyan" if channels == 2 else "of which the first three are shown"
    return f"in {channels} channels, {shown}"


def encode_gif(x: Tensor, milliseconds: int = 80) -> bytes:
    """Encodes images x (N, C, H, W) in [0, 1] as an endless GIF, forth and back."""
    is_grey = bool((x == x[:, :1]).all())  # then no palette is searched for, which takes time
    frames = [draw_grid(image[None]).convert("L" if is_grey else "RGB") for image in x]
    frames += frames[-2:0:-1]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    return buffer.getvalue()


def draw_picture(x: Tensor) -> Image.Image:
    """Returns one picture x (C, H, W) in [0, 1] in its own size."""
    return Image.fromarray(to_rgb_bytes(x[None])[0])


def encode_png(image: Image.Image) -> bytes:
    """Returns the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def make_tiles(x: Tensor, limit: float | None = None) -> Tensor:
    """Turns examples into images (N, 3, H, W) in [0, 1].

    Images (N, C, H, W) stay as they are. A row of a table (N, features) becomes one cell per
    column, blue below zero and red above, full at +-`limit`.
    """
    if x.dim() == 4:
        return to_three_channels(x.clamp(0, 1))
    columns = min(x.shape[1], max(1, math.ceil(math.sqrt(x.shape[1]))))
    rows = math.ceil(x.shape[1] / columns)
    cells = x.new_zeros(len(x), rows * columns)
    cells[:, : x.shape[1]] = x
    return colour_signed(cells.unflatten(1, (1, rows, columns)), limit)


def colour_signed(x: Tensor, limit: float | None = None) -> Tensor:
    """Colours signed values (N, C, H, W), the mean of their channels: (N, 3, H, W) in [0, 1].

    Blue below zero, white at zero, red above, full at +-`limit`; NaN, what is not known, is grey.
    """
    values = x.mean(1).detach().cpu().numpy()
    limit = limit or float(np.abs(values[~np.isnan(values)]).max(initial=0.0)) or 1.0
    share = np.clip(values / limit, -1, 1)[..., None]
    blue, white, red = DIVERGING
    colours = np.where(share < 0, white + (white - blue) * share, white + (red - white) * share)
    colours = np.where(np.isnan(share), BACKGROUND / 255, colours / 255)
    return torch.from_numpy(colours.astype(np.float32)).permute(0, 3, 1, 2)


class SheetBlock(NamedTuple):
    """The strips of one origin in a sheet, for example one run's view of the same examples."""

    title: str
    detail: str
    colour: str
    strips: Mapping[str, Image.Image]  # by the name of the row; all of a sheet are equally wide


def draw_strip(x: Tensor, width: int, gap: int = 4) -> Image.Image:
    """Draws images x (N, 3, H, W) in [0, 1] in a row, each `width` pixels wide, without blur."""
    height = max(1, round(x.shape[2] * width / x.shape[3]))
    framed = F.pad(
        F.interpolate(x, size=(height, width)), (gap, 0, gap, gap), value=BACKGROUND / 255
    )
    joined = F.pad(torch.cat(list(framed), dim=2), (0, gap), value=BACKGROUND / 255)
    return Image.fromarray(to_rgb_bytes(joined[None])[0])


def choose_tile_width(shape: Sequence[int], least: int = 2 * TILE_SIDE) -> int:
    """Returns the smallest multiple of an image's width that is `least` pixels or more.

    `shape` is (C, H, W); rows of tables are `least` pixels wide.
    """
    return shape[2] * math.ceil(least / shape[2]) if len(shape) == 3 else least


def colour_codes(z: Tensor) -> Tensor:
    """Colours codes (N, d), white at zero, one scale for all: (N, 3, rows, columns), wide."""
    columns = min(z.shape[1], math.ceil(math.sqrt(2 * z.shape[1])))
    rows = math.ceil(z.shape[1] / columns)
    cells = F.pad(z, (0, rows * columns - z.shape[1]))
    return colour_signed(cells.unflatten(1, (1, rows, columns)))


def draw_sheet(blocks: Sequence[SheetBlock], footer: str = "", size: int = 22) -> Image.Image:
    """Draws blocks under each other on white, with their names: a picture that explains itself.

    `size` is that of the letters, in pixels.
    """
    return _Sheet(blocks, footer, size).draw()


class _Sheet:
    """The measures of a sheet: a coloured bar, the names of rows, the strips; below, the footer."""

    def __init__(self, blocks: Sequence[SheetBlock], footer: str, size: int):
        self.blocks, self.size = blocks, size
        self.font = ImageFont.load_default(size)
        self.pad, self.bar, self.line = size, size // 3, size * 3 // 2
        strips = [strip for block in blocks for strip in block.strips.values()]
        names = [name for block in blocks for name in block.strips]
        self.left = self.bar + self.pad + max(map(self._width, names)) + self.pad
        widths = [strip.width for strip in strips]
        self.right = self.left + int(max(*widths, *map(self._head_width, blocks)))
        letters = int((self.right - self.bar - self.pad) / (size * 0.53))
        self.notes = textwrap.wrap(footer, max(20, letters))
        self.height = (
            sum(strip.height for strip in strips)
            + len(blocks) * (self.line + self.pad)
            + len(self.notes) * self.line
            + 2 * self.pad
        )

    def _width(self, text: str) -> int:
        return int(self.font.getlength(text))

    def _head_width(self, block: SheetBlock) -> float:
        return self.font.getlength(self._head(block))

    def _head(self, block: SheetBlock) -> str:
        return f"{block.title}  {block.detail}".strip()

    def draw(self) -> Image.Image:
        """Draws all blocks, then the footer."""
        canvas = Image.new("RGB", (self.right + self.pad, self.height), "white")
        pen, top = ImageDraw.Draw(canvas), self.pad
        for block in self.blocks:
            top = self._draw_block(canvas, pen, block, top) + self.pad
        for i, note in enumerate(self.notes):
            corner = (self.bar + self.pad, top + i * self.line)
            pen.text(corner, note, fill="#555555", font=self.font)
        return canvas

    def _draw_block(
        self, canvas: Image.Image, pen: ImageDraw.ImageDraw, block: SheetBlock, top: int
    ) -> int:
        """Draws one block from `top` on; returns where it ends."""
        height = self.line + sum(strip.height for strip in block.strips.values())
        pen.rectangle((0, top, self.bar, top + height), block.colour)
        pen.text((self.left, top), self._head(block), fill="#111111", font=self.font)
        top += self.line
        for name, strip in block.strips.items():
            corner = (self.bar + self.pad, top + (strip.height - self.size) // 2)
            pen.text(corner, name, fill="#555555", font=self.font)
            canvas.paste(strip, (self.left, top))
            top += strip.height
        return top
