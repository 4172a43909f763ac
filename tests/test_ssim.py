"""Structural similarity, against scikit-image and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from aecore.model.parts.ssim import choose_scale_weights, compute_ms_ssim, compute_ssim


@pytest.fixture
def pairs():
    """Pictures (4, 3, 33, 46) in [0, 1], smooth, beside noisy ones; the last is without noise."""
    rng = np.random.default_rng(0)
    x = gaussian_filter(rng.random((4, 3, 33, 46)), (0, 0, 2, 2)) * 4 - 1.5
    noise = np.array([0.01, 0.1, 0.5, 0])[:, None, None, None] * rng.normal(size=x.shape)
    x, y = np.clip(x, 0, 1), np.clip(x + noise, 0, 1)
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


def test_ssim_is_that_of_scikit_image(pairs):
    x, y = pairs
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        structural_similarity(a, b, data_range=1, channel_axis=0, **options)
        for a, b in zip(x.numpy(), y.numpy(), strict=True)
    ]
    assert compute_ssim(x, y).tolist() == pytest.approx(expected, abs=1e-4)


def blur(x):
    return gaussian_filter(x, (0, 1.5, 1.5), truncate=3.5)[:, 5:-5, 5:-5]


def compare_by_scipy(x, y):
    """The mean contrast and SSIM of each channel of two pictures (C, H, W)."""
    a, b = blur(x), blur(y)
    covariance = blur(x * y) - a * b
    contrast = (2 * covariance + 9e-4) / (blur(x * x) - a * a + blur(y * y) - b * b + 9e-4)
    luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    return contrast.mean((1, 2)), (contrast * luminance).mean((1, 2))


def halve(x):
    return x[:, :32, :46].reshape(3, 16, 2, 23, 2).mean((2, 4))


def test_several_scales_are_weighted_as_in_the_paper(pairs):
    x, y = (part.double().numpy() for part in pairs)
    fine, coarse = 0.0448 / 0.3304, 0.2856 / 0.3304
    expected = []
    for a, b in zip(x, y, strict=True):
        contrast, _ = compare_by_scipy(a, b)
        _, ssim = compare_by_scipy(halve(a), halve(b))
        expected.append((contrast.clip(1e-4) ** fine * ssim.clip(1e-4) ** coarse).mean())
    assert compute_ms_ssim(*pairs).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("side", "scales"), [(8, 1), (21, 1), (22, 2), (64, 3), (176, 5), (999, 5)]
)
def test_small_pictures_have_fewer_scales(side, scales):
    weights = choose_scale_weights(side)
    assert len(weights) == scales and sum(weights) == pytest.approx(1)


@pytest.mark.parametrize("side", [1, 4, 8, 11])
def test_tiny_pictures_have_a_smaller_window(side):
    x = torch.rand(2, 1, side, side)
    assert torch.allclose(compute_ssim(x, x), torch.ones(2))
    assert torch.equal(compute_ms_ssim(x, 1 - x), compute_ssim(x, 1 - x).clamp(min=1e-4))


def test_pictures_that_have_nothing_in_common_still_have_gradients():
    x = torch.rand(2, 3, 24, 24, requires_grad=True)
    compute_ms_ssim(x, 1 - x.detach()).sum().backward()
    compute_ms_ssim(x * 0, torch.zeros(2, 3, 24, 24)).sum().backward()
    assert x.grad.isfinite().all()
