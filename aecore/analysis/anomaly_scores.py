"""Anomaly scores: how badly examples are reconstructed, each as one number.

With residuals r in the network's units, of a row or a picture,

    error     = sum r^2

A picture full of detail has a high error though nothing in it is odd, and an odd one with little
detail a low one: what a code leaves out of a photograph is its fine structure. A score is therefore
better set against how much there is to describe (Serrà et al., 2020, Input Complexity and
Out-of-distribution Detection with Likelihood-based Generative Models, who subtract the bits of a
compressor). Here that is the energy of the gradient,

    g = mean over pixels of sum_c (x(right of p) - x(p))^2 + (x(below p) - x(p))^2

with that of the rounding to 8 bits added, and the map of errors with its mean and its maximum are

    m(p)      = (K * sum_c r_c^2)(p) / g,     K a Gaussian window
    relative  = mean_p m(p)
    region    = max_p m(p)

A small defect is lost in a mean over all pixels; it is not in the maximum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.model.config import AnomalyScore

WINDOW_SHARE = 1 / 16  # of the shorter side: the deviation of K, at least one pixel
ROUNDING_ENERGY = (
    2 * 2 / (12 * 255**2)
)  # energy of a channel: two differences, of two rounded values each


class ScoreText(NamedTuple):
    """The words for an anomaly score on pages."""

    label: str  # in the select box
    axis: str  # of a histogram of scores, with the unit
    explanation: str  # what is measured, in lower case


SCORE_TEXTS: dict[AnomalyScore, ScoreText] = {
    "error": ScoreText(
        "Squared error", "squared residual, in scaled units", "the squared error, summed"
    ),
    "relative": ScoreText(
        "Relative error",
        "squared residual, as a share of the detail",
        "the squared error as a share of the picture's detail, the squared differences of "
        "neighbouring pixels: a busy picture is not odd for being busy",
    ),
    "region": ScoreText(
        "Worst region",
        "squared residual in the worst region, as a share of the detail",
        "the relative error where it is highest, for defects that are small",
    ),
}


def score_residuals(residuals: Tensor, x: Tensor, kind: AnomalyScore) -> Tensor:
    """Return the scores (N,) of residuals (N, *input_shape) of x, both in the network's units.

    Kinds other than error are of pictures (N, C, H, W).
    """
    errors = residuals.square().flatten(1).sum(1)
    if kind == "error":
        return errors
    if kind == "relative":  # smoothing leaves the mean as it is
        return errors / math.prod(x.shape[2:]) / measure_detail(x)
    return map_errors(residuals, x, kind).flatten(1).amax(1)


def map_errors(residuals: Tensor, x: Tensor, kind: AnomalyScore) -> Tensor:
    """Return the smoothed errors at each pixel, (N, H, W), of pictures' residuals (N, C, H, W).

    Of kind error they sum to the score; of the others they are m above.
    """
    from scipy.ndimage import gaussian_filter

    errors = residuals.square().sum(1)
    deviation = max(1.0, WINDOW_SHARE * min(errors.shape[1:]))
    # "reflect" keeps the sum
    smoothed = gaussian_filter(errors.numpy(), (0, deviation, deviation), mode="reflect")
    maps = torch.from_numpy(smoothed)
    return maps if kind == "error" else maps / measure_detail(x)[:, None, None]


def measure_detail(x: Tensor) -> Tensor:
    """Return the energy g of the gradient of pictures x (N, C, H, W): (N,), above 0."""
    right, down = x.diff(dim=3).square(), x.diff(dim=2).square()
    energy = right.flatten(1).sum(1) + down.flatten(1).sum(1)
    return energy / (x.shape[2] * x.shape[3]) + ROUNDING_ENERGY * x.shape[1]
