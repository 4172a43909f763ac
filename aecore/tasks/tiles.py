"""Pictures of any size through a model of smaller ones: by overlapping tiles that are blended."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from aecore.progress import track_progress

TILE_OVERLAP = 0.5  # of the side of a tile, that it shares with the next one at least


def map_tiles(
    function: Callable[[Tensor], Tensor], picture: Tensor, sides: tuple[int, int]
) -> Tensor:
    """Return what a function of tiles (N, C, *sides), of the same shape, makes of a picture.

    picture (C, H, W) -> (C, H, W). Where tiles overlap they are averaged, with weights that fall
    towards the border of a tile. A picture smaller than a tile is continued by its last pixels.
    """
    height, width = picture.shape[1:]
    missing = [max(0, side - size) for side, size in zip(sides, (height, width), strict=True)]
    padded = F.pad(picture[None], (0, missing[1], 0, missing[0]), mode="replicate")[0]
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded[0])
    window = make_window(sides)
    columns = list_tile_starts(padded.shape[2], sides[1])
    for top in track_progress(list_tile_starts(padded.shape[1], sides[0])):
        rows = slice(top, top + sides[0])
        tiles = torch.stack([padded[:, rows, left : left + sides[1]] for left in columns])
        for left, tile in zip(columns, function(tiles), strict=True):
            place = (rows, slice(left, left + sides[1]))
            total[(slice(None), *place)] += window * tile
            weights[place] += window
    return (total / weights)[:, :height, :width]


def list_tile_starts(length: int, side: int) -> list[int]:
    """Return where tiles of a side begin along a length, evenly; the last one ends with it."""
    count = 1 + math.ceil((length - side) / max(1, math.floor(side * (1 - TILE_OVERLAP))))
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]


def make_window(sides: tuple[int, int]) -> Tensor:
    """Return weights (height, width) of a tile: above 0, and highest at its middle."""
    rows, columns = (1 - torch.linspace(-1, 1, side + 2)[1:-1].abs() for side in sides)
    return rows[:, None] * columns
