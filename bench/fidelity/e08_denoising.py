"""E8: denoising autoencoders against the exact best linear denoiser, for three corruptions."""

from __future__ import annotations

import math
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from aecore.analysis.pictures import draw_grid
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.parts.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from aecore.tasks.denoise import fit_linear_denoiser
from bench.fidelity.experiment import Check, Experiment, Lab, Result, TrainedRun, at_least

NOISES: dict[str, Corruption] = {
    "Gaussian, 0.5": GaussianNoise(sigma=0.5),
    "masking, 0.25": Masking(fraction=0.25),
    "salt and pepper, 0.25": SaltAndPepper(fraction=0.25),
}
DENOISING_VARIANTS = {
    kind: f"denoising-{kind.replace('_', '-')}"
    for kind in ("gaussian", "masking", "salt_and_pepper")
}


def run_full(lab: Lab) -> Result:
    """Check a deep and a linear denoiser on MNIST for each of NOISES."""
    checks, curves, strips = [], {}, []
    for name, noise in NOISES.items():
        deep, linear = train_denoiser(lab, noise), train_linear_denoiser(lab, noise)
        sets = load_dataset(deep.run.config().data)
        train, test = (as_float(part.x) for part in (sets.train, sets.test))
        best = fit_linear_denoiser(train, noise).expected_se(test, noise)
        se, linear_se = (measure_noisy_se(model, sets.test.x) for model in (deep, linear))
        gain = 10 * math.log10(best / se)
        checks += [
            Check(
                f"better than the best linear denoiser by, dB, {name}",
                gain,
                at_least(1.0),
                at_least(3.0),
            ),
            Check(f"SE, {name} (linear optimum {best:.2f})", se),
            Check(
                f"trained linear denoiser above the optimum by, %, {name}",
                100 * (linear_se / best - 1),
                (-1.0, 1.0),
            ),
        ]
        curves[name] = deep.read_curve()
        strips.append(draw_denoised(deep, sets.test.x))
    return Result(
        checks,
        curves={
            "x": "epoch",
            "y": "SE of the examples held out, from noisy inputs",
            "lines": curves,
            "marks": {},
        },
        pictures=[
            (f"{name}: the noisy input above, what the model makes of it below.", strip)
            for name, strip in zip(NOISES, strips, strict=True)
        ],
        notes="784-1000-1000-784 with GELU units and batch normalisation. The linear optimum is "
        "exact: the Wiener filter and its counterparts for masking and salt and pepper, from the "
        "training set's moments; its error is the expectation over the noise on the test set.",
    )


def train_denoiser(lab: Lab, noise: Corruption) -> TrainedRun:
    """Train 784-1000-1000-784 with GELU units on MNIST."""
    return lab.train_variant(
        noise.kind,
        DENOISING_VARIANTS[noise.kind],
        "mnist",
        latent_dim=1000,
        **make_noise_settings(noise),
        network__hidden=[1000],
        network__activation="gelu",
        network__code_activation="gelu",
        network__norm="batch",
        training__epochs=40,
        training__batch_size=250,
        training__lr=2e-3,
        training__schedule="cosine",
        training__precision="bfloat16",
    )


def train_linear_denoiser(lab: Lab, noise: Corruption) -> TrainedRun:
    """Train a linear denoiser of full rank on MNIST, whose optimum is known."""
    return lab.train_variant(
        f"linear-{noise.kind}",
        "linear",
        "mnist",
        latent_dim=784,
        corruption__kind=noise.kind,
        **make_noise_settings(noise),
        training__epochs=20,
        training__lr=5e-4,
        training__batch_size=100,
    )


def make_noise_settings(noise: Corruption) -> dict[str, Any]:
    """Returns the options of a corruption as settings of `Lab.train_variant`."""
    return {
        f"corruption__{key}": value for key, value in noise.model_dump().items() if key != "kind"
    }


@torch.no_grad()
def measure_noisy_se(trained: TrainedRun, x: Tensor) -> float:
    """Returns the squared error of inputs with the model's own kind of noise.

    It is summed over pixels, mean over images.
    """
    torch.manual_seed(0)
    total = 0.0
    for part in x.split(2000):
        clean = as_float(part).to(trained.model.shift.device)
        denoised = trained.model.reconstruct(trained.model.config.corruption(clean))
        total += (denoised - clean).square().sum().item()
    return total / len(x)


@torch.no_grad()
def draw_denoised(trained: TrainedRun, x: Tensor, count: int = 10) -> Image.Image:
    """Draw noisy images above their reconstructions."""
    torch.manual_seed(0)
    clean = as_float(x[torch.linspace(0, len(x) - 1, count).long()])
    noisy = trained.model.config.corruption(clean)
    return draw_grid(torch.cat([noisy, trained.model.reconstruct(noisy)]), columns=count)


def run_quick(lab: Lab) -> Result:
    """Check a denoiser of the digits, and that it adds no noise outside training."""
    noise = GaussianNoise(sigma=0.3)
    trained = lab.train_variant(
        "gaussian",
        "denoising-gaussian",
        "digits",
        latent_dim=128,
        **make_noise_settings(noise),
        network__hidden=[256],
        network__code_activation="relu",
        training__epochs=60,
        training__batch_size=64,
        training__schedule="cosine",
    )
    sets = load_dataset(trained.run.config().data)
    train, x = (as_float(part.x) for part in (sets.train, sets.test))
    best = fit_linear_denoiser(train, noise).expected_se(x, noise)
    difference = trained.model.reconstruct(x) - trained.model.reconstruct(x)
    return Result(
        [
            Check(
                "better than the best linear denoiser by, dB, digits",
                10 * math.log10(best / measure_noisy_se(trained, sets.test.x)),
                at_least(0.3),
            ),
            Check(
                "difference between two reconstructions of one input",
                difference.abs().max().item(),
                (0.0, 0.0),
            ),
        ]
    )


EXPERIMENT = Experiment(
    "E8",
    "Denoising beats the best linear filter",
    "Trained to undo noise, an autoencoder removes more of it than any linear filter can.",
    "Vincent et al. (2010), Stacked Denoising Autoencoders; the linear optimum is Wiener's",
    "https://www.jmlr.org/papers/v11/vincent10a.html",
    run_full,
    run_quick,
)
