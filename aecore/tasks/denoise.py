"""Denoising: what a model makes of a corrupted input, beside what a filter makes of it.

The filters are those that a user would otherwise take: a 3 x 3 median, non-local means (Buades et al., 2005), and the
best linear denoiser, which is exact: with training mean m and covariance C, and a corruption that keeps a value with
chance k, else sets it to one with chance s / (1 - k), and adds noise of variance v,

    x^ = m + W (x~ - k m - s),      W = k C (k^2 C + D)^-1

(Wiener, 1949, for Gaussian noise), D diagonal: what the corruption adds to the variance of each value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.model.parts.corruption import Corruption, GaussianNoise, SaltAndPepper
from aecore.model.variants import SMALL
from aecore.runs.plan import count_training_rows, plan_run

LINEAR_SIZE = 4096  # values of an example: its weights are the square of that, 134 MB in float64
SSIM_SIDE = 7  # pixels: the window of Wang et al. (2004) as scikit-image has it


DENOISER_VARIANT = "denoising-gaussian"


def plan_denoiser(name: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """The run that makes a denoiser of the images `name`: the recipe of bench/fidelity/e08_denoising.py.

    `settings` replace these, as in aecore.runs.plan; `corruption.kind` and its strength say which noise it undoes.
    """
    chosen = {
        "latent_dim": 1000,
        "network.hidden": (1000,),
        "network.code_activation": "gelu",
        "network.norm": "batch",
        "training.lr": 2e-3,
    }
    if (
        count_training_rows(name, settings) >= SMALL
    ):  # smaller sets get their epochs and batches by their size
        chosen |= {"training.epochs": 40, "training.batch_size": 250}
    return plan_run(DENOISER_VARIANT, name, settings={**chosen, **(settings or {})})


@dataclass(frozen=True)
class LinearDenoiser:
    """The affine map that is best for the training moments under one corruption; values (N, d)."""

    weight: Tensor  # (d, d), in float64
    mean: Tensor  # (d,) of the training values
    keep: float  # the chance that a value stays
    shift: float  # the mean that is set in place of those that do not

    def __call__(self, x: Tensor) -> Tensor:
        flat = x.flatten(1).double()
        cleaned = self.mean + (flat - self.keep * self.mean - self.shift) @ self.weight.T
        return cleaned.to(x.dtype).unflatten(1, x.shape[1:])

    def expected_se(self, x: Tensor, noise: Corruption) -> float:
        """Squared error summed over values, its mean over clean examples x (N, ...) and all noise there could be."""
        x = x.flatten(1).double()
        bias = (x - self.mean) - self.keep * (x - self.mean) @ self.weight.T
        return (
            (bias.square().sum(1) + added_noise_variance(x, noise) @ self.weight.square().sum(0))
            .mean()
            .item()
        )


def fit_linear_denoiser(train: Tensor, noise: Corruption) -> LinearDenoiser:
    """Fitted to clean training examples (N, ...), in float64."""
    if train[0].numel() > LINEAR_SIZE:
        raise ConfigError(
            f"The best linear denoiser of {train[0].numel():,} values needs too much memory; the limit "
            f"is {LINEAR_SIZE:,}. Use smaller images, or leave it out."
        )
    train = train.flatten(1).double()
    keep, shift = corruption_moments(noise)
    mean, covariance = train.mean(0), torch.cov(train.T, correction=0)
    between = keep**2 * covariance + torch.diag(added_noise_variance(train, noise).mean(0))
    between.diagonal().add_(
        1e-12 * (1 + between.diagonal().mean())
    )  # where values never vary, or none is kept
    weight = keep * torch.cholesky_solve(covariance, torch.linalg.cholesky(between)).T
    return LinearDenoiser(weight, mean, keep, shift)


def corruption_moments(noise: Corruption) -> tuple[float, float]:
    """The chance that a value is kept, and the mean of what is set in its place, times the chance of that."""
    if isinstance(noise, GaussianNoise):
        return 1.0, 0.0
    return 1 - noise.fraction, noise.fraction / 2 if isinstance(noise, SaltAndPepper) else 0.0


def added_noise_variance(x: Tensor, noise: Corruption) -> Tensor:
    """Variance of each corrupted value, given the clean one: like x (N, d)."""
    if isinstance(noise, GaussianNoise):
        return torch.full_like(x, noise.sigma**2)
    keep, shift = corruption_moments(noise)
    return keep * x.square() + shift - (keep * x + shift).square()


# -- side by side


class DenoisedExamples(NamedTuple):
    """Examples as one denoiser leaves them, and how near they are to the clean ones."""

    name: str
    x: Tensor  # (N, *input_shape)
    se: float  # summed over values, mean over examples
    psnr: float  # dB, mean over examples
    ssim: float | None  # at most 1; of images with sides of 7 pixels or more


def corrupt_examples(x: Tensor, noise: Corruption, seed: int = 0) -> Tensor:
    """x (N, *input_shape) with noise that is the same for the same seed."""
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
    """Clean images x (N, C, H, W), corrupted once: left as they are, through each filter, and through each model."""
    if x.dim() != 4:
        raise DataError(f"Filters are for images (N, C, H, W), got {tuple(x.shape)}.")
    if not len(x):
        raise DataError("There are no images to clean. Give at least one.")
    clean, noisy = as_float(x), corrupt_examples(x, noise, seed)
    found = [
        ("noisy", noisy),
        ("median 3 x 3", filter_by_median(noisy)),
        ("non-local means", filter_by_non_local_means(noisy, noise)),
    ]
    if linear:
        found.append(("best linear", linear(noisy)))
    found += [(name, denoise_examples(model, noisy)) for name, model in models.items()]
    return [judge_denoised(name, result.clamp(0, 1), clean) for name, result in found]


def compare_noise_strengths(
    models: Mapping[str, Autoencoder],
    x: Tensor,
    noises: Sequence[Corruption],
    train: Tensor | None = None,
) -> list[list[DenoisedExamples]]:
    """`compare` for each of several strengths: where each denoiser breaks. The linear one is the best for each."""
    best = [
        None if train is None else fit_linear_denoiser(as_float(train), noise) for noise in noises
    ]
    return [
        compare_denoisers(models, x, noise, linear)
        for noise, linear in zip(noises, best, strict=True)
    ]


def denoise_examples(model: Autoencoder, x: Tensor) -> Tensor:
    """What a model makes of noisy x (N, *input_shape)."""
    if tuple(x.shape[1:]) != model.config.input_shape:
        raise ConfigError(
            f"This model takes examples of {model.config.input_shape}, got {tuple(x.shape[1:])}."
        )
    return reconstruct_in_chunks(model, x)


def judge_denoised(name: str, x: Tensor, clean: Tensor) -> DenoisedExamples:
    se = (x - clean).flatten(1).square().sum(1)
    psnr = (10 * (clean[0].numel() / se.clamp(min=1e-12)).log10()).mean().item()
    return DenoisedExamples(name, x, se.mean().item(), psnr, structural_similarity(x, clean))


def structural_similarity(x: Tensor, clean: Tensor) -> float | None:
    """Structural similarity of images in [0, 1], its mean: Wang et al. (2004). None where they are too small."""
    from skimage.metrics import structural_similarity

    if min(x.shape[2:]) < SSIM_SIDE:
        return None
    pairs = zip(x.numpy(), clean.numpy(), strict=True)
    return float(
        np.mean([structural_similarity(a, b, data_range=1.0, channel_axis=0) for a, b in pairs])
    )


def filter_by_median(x: Tensor) -> Tensor:
    """Each pixel by the median of the nine around it, channel by channel."""
    from scipy.ndimage import median_filter

    return torch.from_numpy(median_filter(x.numpy(), size=(1, 1, 3, 3), mode="nearest"))


def filter_by_non_local_means(x: Tensor, noise: Corruption) -> Tensor:
    """Each pixel by those whose 5 x 5 surroundings look alike, told how strong the noise is."""
    from skimage.restoration import denoise_nl_means

    sigma = float(added_noise_variance(x.flatten(1), noise).mean().sqrt())
    options = {"patch_size": 5, "patch_distance": 6, "h": 0.6 * sigma, "sigma": sigma}
    grey = x.shape[1] == 1  # as (H, W): of a single channel the library gives the transpose
    found = [
        denoise_nl_means(image[0] if grey else image, **options, channel_axis=None if grey else 0)
        for image in x.numpy()
    ]
    return torch.from_numpy(np.stack(found)).reshape(x.shape).to(x.dtype)
