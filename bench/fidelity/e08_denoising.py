"""E8: denoising autoencoders against the exact best linear denoiser, for three corruptions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from aecore import data, pictures
from bench.fidelity.experiment import Check, Experiment, Lab, Result, Trained, at_least

NOISES: dict[str, dict[str, Any]] = {
    "Gaussian, 0.5": {"kind": "gaussian", "sigma": 0.5},
    "masking, 0.25": {"kind": "masking", "fraction": 0.25},
    "salt and pepper, 0.25": {"kind": "salt_and_pepper", "fraction": 0.25},
}
VARIANT = {kind: f"denoising-{kind.replace('_', '-')}" for kind in ("gaussian", "masking", "salt_and_pepper")}


def full(lab: Lab) -> Result:
    checks, lines, strips = [], {}, []
    for name, noise in NOISES.items():
        deep, linear = denoiser(lab, noise), linear_denoiser(lab, noise)
        sets = data.load(deep.run.config().data)
        best = linear_optimum(data.as_float(sets.train.x).flatten(1), data.as_float(sets.test.x).flatten(1), noise)
        se, linear_se = noisy_se(deep, sets.test.x), noisy_se(linear, sets.test.x)
        gain = 10 * math.log10(best / se)
        checks += [
            Check(f"better than the best linear denoiser by, dB, {name}", gain, at_least(1.0), at_least(3.0)),
            Check(f"SE, {name} (linear optimum {best:.2f})", se),
            Check(
                f"trained linear denoiser above the optimum by, %, {name}", 100 * (linear_se / best - 1), (-1.0, 1.0)
            ),
        ]
        lines[name] = deep.curve()
        strips.append(cleaned(deep, sets.test.x))
    return Result(
        checks,
        curves={"x": "epoch", "y": "SE of the examples held out, from noisy inputs", "lines": lines, "marks": {}},
        pictures=[(f"{name}: the noisy input above, what the model makes of it below.", strip)
                  for name, strip in zip(NOISES, strips, strict=True)],
        notes="784-1000-1000-784 with GELU units and batch normalisation. The linear optimum is exact: the Wiener "
        "filter and its counterparts for masking and salt and pepper, from the training set's moments; its error is "
        "the expectation over the noise on the test set.",
    )  # fmt: skip


def denoiser(lab: Lab, noise: dict[str, Any]) -> Trained:
    return lab.trained(
        noise["kind"], VARIANT[noise["kind"]], "mnist", latent_dim=1000, **as_settings(noise), network__hidden=[1000],
        network__activation="gelu", network__code_activation="gelu", network__norm="batch",
        training__epochs=40, training__batch_size=250, training__lr=2e-3, training__schedule="cosine",
        training__precision="bfloat16",
    )  # fmt: skip


def linear_denoiser(lab: Lab, noise: dict[str, Any], name: str = "mnist", latent_dim: int = 784) -> Trained:
    return lab.trained(
        f"linear-{noise['kind']}", "linear", name, latent_dim=latent_dim, corruption__kind=noise["kind"],
        **as_settings(noise), training__epochs=20, training__lr=5e-4, training__batch_size=100,
    )  # fmt: skip


def as_settings(noise: dict[str, Any]) -> dict[str, Any]:
    return {f"corruption__{key}": value for key, value in noise.items() if key != "kind"}


@torch.no_grad()
def noisy_se(trained: Trained, x: Tensor) -> float:
    """Mean squared error summed over pixels, of what is made from inputs with the model's own kind of noise."""
    torch.manual_seed(0)
    total = 0.0
    for part in x.split(2000):
        clean = data.as_float(part).to(trained.model.shift.device)
        rebuilt = trained.model.reconstruct(trained.model.config.corruption(clean))
        total += (rebuilt - clean).square().sum().item()
    return total / len(x)


def linear_optimum(train: Tensor, test: Tensor, noise: dict[str, Any]) -> float:
    """Expected SE on test (N, d) of the affine denoiser that is best for the training moments; pixels in [0, 1]."""
    train, test = train.double(), test.double()
    mean, second = train.mean(0), train.square().mean(0)
    covariance = torch.cov(train.T, correction=0)
    nu = noise.get("fraction", 0.0)
    if noise["kind"] == "gaussian":
        keep, noisy = 1.0, covariance + noise["sigma"] ** 2 * torch.eye(len(mean), dtype=torch.float64)
    else:
        salt = nu / 2 if noise["kind"] == "salt_and_pepper" else 0.0  # chance of a one
        keep = 1 - nu
        variance = keep * second + salt - (keep * mean + salt).square()
        noisy = keep**2 * covariance + torch.diag(variance - keep**2 * covariance.diagonal())
    weight = keep * torch.linalg.lstsq(noisy, covariance, driver="gelsd").solution.T
    salt = nu / 2 if noise["kind"] == "salt_and_pepper" else 0.0
    # E|x^ - x|^2 = |bias|^2 + what the noise around its mean keep * x + salt adds
    centred = test - mean
    bias = centred - keep * centred @ weight.T
    if noise["kind"] == "gaussian":
        spread = torch.full_like(test, noise["sigma"] ** 2)
    else:
        spread = keep * test.square() + salt - (keep * test + salt).square()
    return (bias.square().sum(1) + spread @ weight.square().sum(0)).mean().item()


@torch.no_grad()
def cleaned(trained: Trained, x: Tensor, count: int = 10) -> object:
    torch.manual_seed(0)
    clean = data.as_float(x[torch.linspace(0, len(x) - 1, count).long()])
    noisy = trained.model.config.corruption(clean)
    return pictures.grid(torch.cat([noisy, trained.model.reconstruct(noisy)]), columns=count)


def quick(lab: Lab) -> Result:
    noise = {"kind": "gaussian", "sigma": 0.3}
    trained = lab.trained(
        "gaussian", "denoising-gaussian", "digits", latent_dim=128, **as_settings(noise), network__hidden=[256],
        network__code_activation="relu", training__epochs=60, training__batch_size=64, training__schedule="cosine",
    )  # fmt: skip
    sets = data.load(trained.run.config().data)
    train, test = (data.as_float(part.x).flatten(1) for part in (sets.train, sets.test))
    best, x = linear_optimum(train, test, noise), data.as_float(sets.test.x)
    again = (trained.model.reconstruct(x) - trained.model.reconstruct(x)).abs().max().item()
    return Result(
        [
            Check("better than the best linear denoiser by, dB, digits",
                  10 * math.log10(best / noisy_se(trained, sets.test.x)), at_least(0.3)),
            Check("difference between two reconstructions of one input", again, (0.0, 0.0)),
        ]
    )  # fmt: skip


EXPERIMENT = Experiment(
    "E8",
    "Denoising beats the best linear filter",
    "Trained to undo noise, an autoencoder removes more of it than any linear filter can.",
    "Vincent et al. (2010), Stacked Denoising Autoencoders; the linear optimum is Wiener's",
    "https://www.jmlr.org/papers/v11/vincent10a.html",
    full,
    quick,
)
