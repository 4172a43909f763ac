"""Denoising: corrupted inputs cleaned by models, and by filters to compare them with.

The filters are the usual ones: a 3 x 3 median, non-local means (Buades et al., 2005), and the best
linear denoiser, which is exact: with training mean m and covariance C, and a corruption that keeps
a value with probability k, else sets it to one with probability s / (1 - k), and adds noise of
variance v,

    x^ = m + W (x~ - k m - s),      W = k C (k^2 C + D)^-1

(Wiener, 1949, for Gaussian noise), D diagonal: the variance that the corruption adds to each value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.parts.corruption import Corruption, GaussianNoise, SaltAndPepper
from aecore.progress import track_progress
from aecore.tasks.recipes import PictureRecipe, Settings, TaskRecipe
from aecore.tasks.tiles import map_tiles

MAX_LINEAR_SIZE = 4096  # values of an example: the weights are its square, 134 MB in float64
SSIM_SIDE = 7  # pixels: the window of Wang et al. (2004) in scikit-image
DENOISER_RECIPE = TaskRecipe(
    "denoising-gaussian",
    {
        "latent_dim": 1000,
        "network.hidden": (1000,),
        "network.code_activation": "gelu",
        "network.norm": "batch",
        "training.lr": 2e-3,
    },
    large={"training.epochs": 40, "training.batch_size": 250},
    pictures=PictureRecipe(
        # a fine grid, whose code has a quarter of the values: detail is kept, and noise is not
        {
            "network.channels": (48, 96),
            "network.blocks": (1, 2),
            "corruption.kind": "gaussian",
            "corruption.sigma": 0.2,
            "corruption.lowest_sigma": 0.0,  # one model for all strengths up to that
        },
        units_of_place=12,
    ),
)


def plan_denoiser(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that makes a denoiser of the images `name`: bench/fidelity/e08_denoising.py.

    `settings` replace the recipe's; `corruption.kind` and its strength say which noise it undoes.
    """
    return DENOISER_RECIPE.plan(name, settings)


@dataclass(frozen=True)
class LinearDenoiser:
    """The affine map of least squared error for the training moments under one corruption."""

    weight: Tensor  # (d, d), in float64
    mean: Tensor  # (d,) of the training values
    keep: float  # the probability that a value stays
    shift: float  # the mean of the values that replace others, times the probability of that

    def __call__(self, x: Tensor) -> Tensor:
        """Return noisy examples x (N, ...) cleaned."""
        flat = x.flatten(1).double()
        cleaned = self.mean + (flat - self.keep * self.mean - self.shift) @ self.weight.T
        return cleaned.to(x.dtype).unflatten(1, x.shape[1:])

    def expected_se(self, x: Tensor, noise: Corruption) -> float:
        """Return the squared error, summed over values, expected over the noise.

        The mean over clean examples x (N, ...).
        """
        x = x.flatten(1).double()
        bias = (x - self.mean) - self.keep * (x - self.mean) @ self.weight.T
        variance = compute_noise_variance(x, noise) @ self.weight.square().sum(0)
        return (bias.square().sum(1) + variance).mean().item()


def fit_linear_denoiser(train: Tensor, noise: Corruption) -> LinearDenoiser:
    """Fit the best linear denoiser to clean training examples (N, ...), in float64.

    ConfigError for examples of more than 4096 values.
    """
    if train[0].numel() > MAX_LINEAR_SIZE:
        raise ConfigError(
            f"The best linear denoiser of {train[0].numel():,} values needs too much memory; "
            f"the limit is {MAX_LINEAR_SIZE:,}. Use smaller images, or leave it out."
        )
    train = train.flatten(1).double()
    keep, shift = compute_corruption_moments(noise)
    mean, covariance = train.mean(0), torch.cov(train.T, correction=0)
    noisy = keep**2 * covariance + torch.diag(compute_noise_variance(train, noise).mean(0))
    # so that it can be inverted where values never vary, or none is kept
    noisy.diagonal().add_(1e-12 * (1 + noisy.diagonal().mean()))
    weight = keep * torch.cholesky_solve(covariance, torch.linalg.cholesky(noisy)).T
    return LinearDenoiser(weight, mean, keep, shift)


def compute_corruption_moments(noise: Corruption) -> tuple[float, float]:
    """Return the probability that a value is kept, and what replaces it on average.

    The second is the mean of the replacement times the probability that there is one.
    """
    if isinstance(noise, GaussianNoise):
        return 1.0, 0.0
    return 1 - noise.fraction, noise.fraction / 2 if isinstance(noise, SaltAndPepper) else 0.0


def compute_noise_variance(x: Tensor, noise: Corruption) -> Tensor:
    """Return the variance of each corrupted value, given the clean one: like x (N, d)."""
    if isinstance(noise, GaussianNoise):
        high = noise.sigma
        low = high if noise.lowest_sigma is None else noise.lowest_sigma
        return torch.full_like(x, (low**2 + low * high + high**2) / 3)
    keep, shift = compute_corruption_moments(noise)
    return keep * x.square() + shift - (keep * x + shift).square()


# -- side by side


class DenoisedExamples(NamedTuple):
    """Examples cleaned by one denoiser, and their distance from the clean ones."""

    name: str
    x: Tensor  # (N, *input_shape)
    se: float  # squared error, summed over values, mean over examples
    psnr: float  # dB, mean over examples
    ssim: float | None  # at most 1; of images with sides of 7 pixels or more


def corrupt_examples(x: Tensor, noise: Corruption, seed: int = 0) -> Tensor:
    """Return x (N, *input_shape) with noise, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return noise(as_float(x))


def compare_denoisers(
    models: Mapping[str, Autoencoder],
    x: Tensor,
    noise: Corruption,
    linear: LinearDenoiser | None = None,
    seed: int = 0,
) -> list[DenoisedExamples]:
    """Return images x (N, C, H, W), corrupted once: as they are, by each filter, by each model."""
    if x.dim() != 4:
        raise DataError(f"Filters are for images (N, C, H, W), got {tuple(x.shape)}.")
    if not len(x):
        raise DataError("There are no images to clean. Give at least one.")
    clean, noisy = as_float(x), corrupt_examples(x, noise, seed)
    results = [
        ("noisy", noisy),
        ("median 3 x 3", filter_by_median(noisy)),
        ("non-local means", filter_by_non_local_means(noisy, noise)),
    ]
    if linear:
        results.append(("best linear", linear(noisy)))
    results += [(name, denoise_examples(model, noisy)) for name, model in models.items()]
    return [judge_denoised(name, result.clamp(0, 1), clean) for name, result in results]


def compare_noise_strengths(
    models: Mapping[str, Autoencoder],
    x: Tensor,
    noises: Sequence[Corruption],
    train: Tensor | None = None,
) -> list[list[DenoisedExamples]]:
    """Return `compare_denoisers` for each of several corruptions.

    With training examples, the best linear denoiser of each corruption is among them.
    """
    linears = [
        None if train is None else fit_linear_denoiser(as_float(train), noise) for noise in noises
    ]
    return [
        compare_denoisers(models, x, noise, linear)
        for noise, linear in zip(noises, linears, strict=True)
    ]


def denoise_examples(model: Autoencoder, x: Tensor) -> Tensor:
    """Return noisy x (N, *input_shape) cleaned by a model. ConfigError for another shape."""
    if tuple(x.shape[1:]) != model.config.input_shape:
        raise ConfigError(
            f"This model takes examples of {model.config.input_shape}, got {tuple(x.shape[1:])}."
        )
    return reconstruct_in_chunks(model, x)


def denoise_picture(model: Autoencoder, picture: Tensor) -> Tensor:
    """Return a noisy picture (C, H, W) of any size cleaned by a model for pictures of one size.

    It is cleaned in tiles of that size, which overlap (aecore.tasks.tiles). ConfigError for another
    number of channels.
    """
    shape = model.config.input_shape
    if len(shape) != 3 or picture.dim() != 3 or len(picture) != shape[0]:
        raise ConfigError(f"This model takes pictures of {shape}, got {tuple(picture.shape)}.")
    sides = (shape[1], shape[2])
    return map_tiles(lambda tiles: reconstruct_in_chunks(model, tiles), as_float(picture), sides)


def judge_denoised(name: str, x: Tensor, clean: Tensor) -> DenoisedExamples:
    """Return denoised x (N, *input_shape) with its errors against the clean examples."""
    se = (x - clean).flatten(1).square().sum(1)
    psnr = (10 * (clean[0].numel() / se.clamp(min=1e-12)).log10()).mean().item()
    return DenoisedExamples(
        name, x, se.mean().item(), psnr, compute_structural_similarity(x, clean)
    )


def compute_structural_similarity(x: Tensor, clean: Tensor) -> float | None:
    """Return the mean structural similarity of images in [0, 1] (Wang et al., 2004).

    None where a side has fewer than 7 pixels.
    """
    from skimage.metrics import structural_similarity

    if min(x.shape[2:]) < SSIM_SIDE:
        return None
    pairs = zip(x.numpy(), clean.numpy(), strict=True)
    return float(
        np.mean([structural_similarity(a, b, data_range=1.0, channel_axis=0) for a, b in pairs])
    )


def filter_by_median(x: Tensor) -> Tensor:
    """Replace each pixel of images (N, C, H, W) by the median of the nine around it."""
    from scipy.ndimage import median_filter

    return torch.from_numpy(median_filter(x.numpy(), size=(1, 1, 3, 3), mode="nearest"))


def filter_by_non_local_means(x: Tensor, noise: Corruption) -> Tensor:
    """Replace each pixel of images (N, C, H, W) by the mean of those with similar surroundings.

    The strength follows from the noise (Buades et al., 2005).
    """
    from skimage.restoration import denoise_nl_means

    sigma = float(compute_noise_variance(x.flatten(1), noise).mean().sqrt())
    options = {"patch_size": 5, "patch_distance": 6, "h": 0.6 * sigma, "sigma": sigma}
    grey = x.shape[1] == 1  # as (H, W): of a single channel the library returns the transpose
    filtered = [
        denoise_nl_means(image[0] if grey else image, **options, channel_axis=None if grey else 0)
        for image in track_progress(list(x.numpy()))
    ]
    return torch.from_numpy(np.stack(filtered)).reshape(x.shape).to(x.dtype)
