"""Whole pictures as files: bits per pixel against PSNR and MS-SSIM, of a model and of other coders.

All bits of a file count. PSNR is that of the bytes of all channels, MS-SSIM the mean over channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from aecore.analysis.pictures import to_rgb_bytes
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.ssim import compute_ms_ssim
from aecore.progress import track_progress
from aecore.tasks.compress import compress_examples, expand_file
from aecore.tasks.rate_distortion import decode_image_file, encode_image_file

PHOTO_CODERS = {  # Pillow's formats and qualities, by their names for people
    "JPEG": ("JPEG", (10, 20, 35, 50, 75)),
    "WebP": ("WEBP", (1, 10, 30, 50, 75)),
    "AVIF": ("AVIF", (25, 40, 50, 60, 75)),
}
PHOTO_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)  # of the model's steps
NO_ERROR = 1e-10  # mean squared error of what counts as equal


class PhotoPoint(NamedTuple):
    """One setting of a coder on one picture."""

    setting: float  # factor of the steps, or quality
    bits: float  # per pixel
    psnr: float  # dB
    ms_ssim: float


def measure_photo_point(setting: float, file: bytes, x: Tensor, opened: Tensor) -> PhotoPoint:
    """Return bits and likeness of a picture x (C, H, W) in [0, 1], as `file` and opened again."""
    error = (x - opened).square().mean().item()
    similarity = compute_ms_ssim(x[None], opened[None]).item()
    psnr = -10 * math.log10(max(error, NO_ERROR))
    return PhotoPoint(setting, 8 * len(file) / x[0].numel(), psnr, similarity)


def measure_model_photo(
    model: Autoencoder, x: Tensor, factors: Sequence[float] = PHOTO_FACTORS
) -> list[PhotoPoint]:
    """Compress a picture x (C, H, W) with steps so many times those of the model."""
    points = []
    for factor in track_progress(factors):
        file = compress_examples(model, x[None], factor)
        opened = expand_file(model, file)[0]
        points.append(measure_photo_point(factor, file, as_float(x), opened))
    return points


def measure_coder_photo(name: str, x: Tensor) -> list[PhotoPoint]:
    """Compress a picture x (C, H, W) as a coder of PHOTO_CODERS does, at several qualities."""
    kind, qualities = PHOTO_CODERS[name]
    x, points = as_float(x), []
    image = to_rgb_bytes(x[None])[0]
    for quality in track_progress(qualities):
        file = encode_image_file(image, kind, quality)
        opened = decode_image_file(file, len(x))
        points.append(measure_photo_point(quality, file, x, opened))
    return points


def measure_all_coders(model: Autoencoder, name: str, x: Tensor) -> dict[str, list[PhotoPoint]]:
    """Return the curve of the model, under `name`, and those of the other coders."""
    curves = {name: measure_model_photo(model, x)}
    return curves | {coder: measure_coder_photo(coder, x) for coder in PHOTO_CODERS}


def interpolate_at_bits(points: Sequence[PhotoPoint], bits: float, field: str) -> float | None:
    """Return the psnr or ms_ssim of a curve at so many bits per pixel, linear in their logarithm.

    None outside the curve.
    """
    ordered = sorted(points, key=lambda point: point.bits)
    for low, high in pairwise(ordered):
        if low.bits <= bits <= high.bits:
            span = math.log(high.bits / low.bits)
            share = math.log(bits / low.bits) / span if span else 0.0
            return (1 - share) * getattr(low, field) + share * getattr(high, field)
    return None
