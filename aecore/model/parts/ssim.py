"""Structural similarity of pictures, differentiable: SSIM, and MS-SSIM over several scales.

Wang et al. (2004), Image Quality Assessment: From Error Visibility to Structural Similarity; Wang
et al. (2003), Multiscale Structural Similarity. Pixels lie in [0, 1]; channels are compared one by
one and averaged.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA, WINDOW_SIDE = 1.5, 11  # of the Gaussian window, in pixels
LUMINANCE_FLOOR, CONTRAST_FLOOR = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from the finest scale on
LEAST_SIMILARITY = 1e-4  # of a scale: a power of zero has no gradient


class Similarity(NamedTuple):
    """How alike pictures are, (N, C) each: at most 1."""

    ssim: Tensor
    contrast: Tensor  # and structure: SSIM without the luminance


def compute_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the SSIM of each pair of pictures (N, C, H, W): (N,).

    The window is a Gaussian of 11 pixels, at each place where it lies within the picture; in
    smaller pictures the largest odd number of pixels that fits.
    """
    return compare_pictures(x, y).ssim.mean(1)


def compute_ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the MS-SSIM of each pair of pictures (N, C, H, W): (N,).

    Five scales need sides of 176 pixels. Smaller pictures have as many as their shorter side can be
    halved with a whole window left, two at 32 pixels; the weights of these are scaled to sum 1.
    """
    weights = choose_scale_weights(min(x.shape[-2:]))
    product = x.new_ones(x.shape[:2])
    for scale, weight in enumerate(weights):
        if scale:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        similarity = compare_pictures(x, y)
        factor = similarity.ssim if scale == len(weights) - 1 else similarity.contrast
        product = product * factor.clamp(min=LEAST_SIMILARITY) ** weight
    return product.mean(1)


def choose_scale_weights(side: int) -> list[float]:
    """Return the weight of each scale for pictures whose shorter side has so many pixels."""
    count = 1
    while count < len(SCALE_WEIGHTS) and side >> count >= WINDOW_SIDE:
        count += 1
    total = sum(SCALE_WEIGHTS[:count])
    return [weight / total for weight in SCALE_WEIGHTS[:count]]


def compare_pictures(x: Tensor, y: Tensor) -> Similarity:
    """Return the similarity of pictures (N, C, H, W) at one scale, mean over places."""
    count = x.shape[1]
    maps = blur_pictures(torch.cat([x, y, x * x, y * y, x * y], dim=1))
    mean_x, mean_y, square_x, square_y, product = maps.split(count, dim=1)
    variances = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    contrast = (2 * covariance + CONTRAST_FLOOR) / (variances + CONTRAST_FLOOR)
    luminance = (2 * mean_x * mean_y + LUMINANCE_FLOOR) / (mean_x**2 + mean_y**2 + LUMINANCE_FLOOR)
    return Similarity((luminance * contrast).mean((2, 3)), contrast.mean((2, 3)))


def blur_pictures(x: Tensor) -> Tensor:
    """Return the weighted mean of each window that lies within pictures (N, C, H, W)."""
    side = min(x.shape[-2:])
    side = min(WINDOW_SIDE, side - 1 + side % 2)
    places = torch.arange(side, dtype=x.dtype, device=x.device) - side // 2
    weights = (-0.5 * (places / SIGMA) ** 2).exp()
    weights = (weights / weights.sum()).view(1, 1, side, 1)
    maps = x.flatten(0, 1).unsqueeze(1)
    blurred = F.conv2d(F.conv2d(maps, weights), weights.transpose(2, 3))
    return blurred.squeeze(1).unflatten(0, x.shape[:2])
