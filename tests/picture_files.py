"""Pictures as cameras, microscopes and phones write them, small."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
from data_sets import pack_zip
from PIL import Image

from aecore.data.datasets import read_dataset
from aecore.data.raw import RawData
from aecore.model.config import DataConfig
from bench.reliability.heic import HEIC

TORN_HEIC = HEIC[:300]


def encode_image(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An array (H, W) or (H, W, 3) as the bytes of a picture."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_tiff(pixels: np.ndarray, **options: object) -> bytes:
    """An array of any bands and type as a TIFF."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def make_noise(seed: int = 0, shape: tuple[int, ...] = (8, 8, 3), top: int = 256) -> np.ndarray:
    """Values below `top`, as bytes or in 16 bits."""
    kind = np.uint8 if top <= 256 else np.uint16
    return np.random.default_rng(seed).integers(0, top, shape).astype(kind)


def zip_files(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip of these members; return its path."""
    path.write_bytes(pack_zip(files))
    return path


def read_pictures(path: Path, **options: object) -> RawData:
    """Read all pictures of a path, leaving out what cannot be used."""
    values = {"name": str(path), "unusable": "leave_out", **options}
    return read_dataset(DataConfig.model_validate(values))
