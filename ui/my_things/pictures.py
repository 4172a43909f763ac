"""A small picture of a thing: reconstructions of a run, pictures of a data set."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from aecore.analysis.pictures import draw_grid, encode_png, make_tiles
from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.splits import as_float
from aecore.errors import AecoreError
from aecore.runs.keeping import KeptThing
from aecore.runs.previews import list_previews, read_preview
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData
from ui.kit.memory import keep_in_memory

EXAMPLES, SIDE = 4, 56  # how many examples, and pixels of each
MAX_SHRUNK_PIXELS = 50_000_000  # of a picture that is shrunk


def draw_thing_picture(thing: KeptThing) -> bytes | None:
    """Returns four examples of a thing as a PNG; None where there are none that are cheap."""
    if thing.is_run:
        previews = list_previews(thing.path)
        return draw_run_picture(previews[-1][1], get_time(previews[-1][1])) if previews else None
    source = UploadedData(thing.path).source
    return draw_set_picture(source, get_time(source)) if source and source.is_dir() else None


def get_time(path: Path) -> float:
    """Returns when a file or folder changed: a key for caches."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@keep_in_memory()
def draw_run_picture(preview: Path, changed: float) -> bytes | None:
    """Returns the first reconstructions of a preview as a PNG; None where it cannot be read."""
    try:
        shape = Run(preview.parents[1]).config().model.input_shape
        x = as_float(read_preview(preview, shape).reconstruction[:EXAMPLES])
    except AecoreError:
        return None
    return encode_png(draw_grid(make_tiles(x), 2))


@keep_in_memory()
def draw_set_picture(folder: Path, changed: float) -> bytes | None:
    """Returns the first pictures of a folder as a PNG; None where none can be read."""
    files = (path for path in folder.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
    tiles = [tile for path in islice(files, EXAMPLES) if (tile := shrink_picture(path)) is not None]
    if not tiles:
        return None
    x = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    return encode_png(draw_grid(as_float(x), 2))


def shrink_picture(path: Path) -> np.ndarray | None:
    """Returns the middle of a picture (SIDE, SIDE, 3), uint8; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_SHRUNK_PIXELS:
                return None
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            return np.asarray(ImageOps.fit(image.convert("RGB"), (SIDE, SIDE)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
