"""Metrics of pictures: how alike they look, and the bits that a pixel takes."""

from __future__ import annotations

import math

from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.metric_types import MeasuredBatch, Metric
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.ssim import choose_scale_weights, compute_ms_ssim, compute_ssim

LEAST_ERROR = 1e-12  # of a picture: without any the ratio is infinite


def has_pixels(model: Autoencoder) -> bool:
    """Returns whether the network works on pixels in [0, 1], as PSNR needs."""
    return len(model.config.input_shape) == 3 and model.config.scaling == "none"


def has_scales(model: Autoencoder) -> bool:
    """Returns whether pictures are large enough for two scales and more."""
    return has_pixels(model) and len(choose_scale_weights(min(model.config.input_shape[1:]))) > 1


def has_bits(model: Autoencoder) -> bool:
    """Returns whether the model gives the levels of pixels a probability."""
    return has_pixels(model) and is_variational(model) and model.config.likelihood.has_levels


def sum_psnr(batch: MeasuredBatch) -> Tensor:
    """Sums 10 log10(1 / mean squared error) over pictures."""
    errors = (batch.reconstruction - batch.x).square().flatten(1).mean(1)
    return -10 * errors.clamp(min=LEAST_ERROR).log10().sum()


def sum_ssim(batch: MeasuredBatch) -> Tensor:
    """Sums the structural similarity over pictures."""
    return compute_ssim(batch.reconstruction, batch.x).sum()


def sum_ms_ssim(batch: MeasuredBatch) -> Tensor:
    """Sums the structural similarity over several scales over pictures."""
    return compute_ms_ssim(batch.reconstruction, batch.x).sum()


def sum_bits(batch: MeasuredBatch) -> Tensor:
    """Sums the bounds on the bits of a value, each from one sampled code, over pictures."""
    nats = batch.likelihood.level_nats(batch.drawn.logits, batch.x)[0] + batch.drawn.kl
    return nats.sum() / (batch.x[0].numel() * math.log(2))


PICTURE_METRICS = (
    Metric(
        name="picture_psnr",
        label="PSNR per picture",
        unit="dB",
        direction=1,
        explanation="Peak signal-to-noise ratio of each picture in dB, averaged, as most papers "
        "report it; psnr is that of the mean squared error.",
        batch_sum=sum_psnr,
        applies=has_pixels,
    ),
    Metric(
        name="ssim",
        label="SSIM",
        unit="similarity",
        direction=1,
        explanation="Structural similarity (Wang et al., 2004), at most 1: luminance, contrast and "
        "structure in a Gaussian window of 11 pixels, or as many as fit into smaller pictures.",
        batch_sum=sum_ssim,
        applies=has_pixels,
    ),
    Metric(
        name="ms_ssim",
        label="MS-SSIM",
        unit="similarity",
        direction=1,
        explanation="SSIM over scales that halve the picture (Wang et al., 2003), at most 1: five "
        "from 176 pixels on, fewer for smaller pictures.",
        batch_sum=sum_ms_ssim,
        applies=has_scales,
    ),
    Metric(
        name="bits_per_dim",
        label="bits per dimension",
        unit="bits per value",
        direction=-1,
        explanation="Upper bound on -log2 P(x) by the number of values: reconstruction + KL, one "
        "sample. Pixels count as 256 levels, and densities are integrated over each level, so that "
        "likelihoods compare.",
        batch_sum=sum_bits,
        applies=has_bits,
        is_random=True,
    ),
)
