"""Rate and distortion: bits against squared error, of a model's files and of other coders."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.latent import fit_pca
from aecore.analysis.pictures import to_rgb_bytes
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.progress import track_progress
from aecore.tasks.compress import compress_examples, expand_file, measure_codes
from aecore.tasks.range_coder import pack_codes, unpack_codes
from aecore.tasks.rate_files import codes_bits

# with which each coder makes its smallest files at a quality, whatever time it takes
CODER_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"optimize": True, "progressive": True},
    "WEBP": {"method": 6},
}


class RatePoint(NamedTuple):
    """One setting of a coder on a set of examples."""

    setting: float  # step, or quality
    bits: float  # per pixel, or per cell of a table; everything in the file counts
    se: float  # squared error in the network's units, summed over features, mean over examples


def measure_rate_curve(model: Autoencoder, x: Tensor, steps: Sequence[float]) -> list[RatePoint]:
    """Compress x (N, *input_shape) at each step; a countable code has one point."""
    used_steps = steps if model.bottleneck.levels is None else steps[:1]
    truth = to_scaled_inputs(model, x)
    codes = None if codes_bits(model) else measure_codes(model, x)
    points = []
    for step in track_progress(used_steps):
        data = compress_examples(model, x, step, codes)
        expanded = to_scaled_inputs(model, expand_file(model, data))
        points.append(measure_rate_point(step, data, truth, expanded))
    return points


def measure_pca_curve(
    model: Autoencoder, train: Tensor, x: Tensor, steps: Sequence[float]
) -> list[RatePoint]:
    """Compress x by as many principal components of `train` as the model has units.

    Examples are (N, *input_shape); the coder is the same.
    """
    train, x = to_scaled_inputs(model, train).flatten(1), to_scaled_inputs(model, x)
    flat = x.flatten(1)
    pca = fit_pca(train.numpy(), model.config.latent_dim)
    z = torch.from_numpy(pca.transform(flat.numpy())).float()
    points = []
    for step in track_progress(steps):
        data = pack_codes(z, torch.full((z.shape[1],), step))
        expanded = torch.from_numpy(pca.inverse_transform(unpack_codes(data).numpy())).view_as(x)
        points.append(measure_rate_point(step, data, x, expanded))
    return points


def measure_image_codec_curve(x: Tensor, kind: str, qualities: Sequence[int]) -> list[RatePoint]:
    """Compress images x (N, C, H, W), each as a file of its own, at qualities from 1 to 100."""
    x, points = as_float(x), []
    for quality in track_progress(qualities):
        files = [encode_image_file(image, kind, quality) for image in to_rgb_bytes(x)]
        expanded = torch.stack([decode_image_file(file, x.shape[1]) for file in files])
        points.append(measure_rate_point(quality, b"".join(files), x, expanded))
    return points


def to_scaled_inputs(model: Autoencoder, x: Tensor) -> Tensor:
    """Return x (N, *input_shape) in the network's units, on the CPU."""
    return ((as_float(x) - model.shift.cpu()) / model.scale.cpu()).float()


def measure_rate_point(setting: float, data: bytes, x: Tensor, expanded: Tensor) -> RatePoint:
    """Return bits and error of x (N, ...), as `data` and expanded again."""
    cells = len(x) * (x[0, 0].numel() if x.dim() == 4 else x[0].numel())
    se = (x - expanded).flatten(1).square().sum(1).mean().item()
    return RatePoint(setting, 8 * len(data) / cells, se)


def encode_image_file(image: np.ndarray, kind: str, quality: int) -> bytes:
    """Return an image (H, W, 3) of bytes as a file; in grey where its channels agree."""
    buffer = io.BytesIO()
    is_grey = bool((image == image[..., :1]).all())
    options = CODER_OPTIONS.get(kind, {})
    pixels = Image.fromarray(image).convert("L" if is_grey else "RGB")
    pixels.save(buffer, kind, quality=quality, **options)
    return buffer.getvalue()


def decode_image_file(file: bytes, channels: int) -> Tensor:
    """Return the image of a file as (channels, H, W) in [0, 1]."""
    image = Image.open(io.BytesIO(file)).convert("L" if channels == 1 else "RGB")
    pixels = torch.from_numpy(np.array(image)).reshape(*image.size[::-1], channels)
    return pixels.permute(2, 0, 1) / 255
