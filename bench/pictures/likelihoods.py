"""Likelihoods of pixels: what the same VAE makes of pictures by each of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aecore.analysis.chunks import iterate_chunks
from aecore.analysis.metrics import evaluate_model
from aecore.model.autoencoder import Autoencoder
from aecore.runs.plan import plan_run
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.pictures.photographs import PICTURE_SETS, load_pictures
from bench.pictures.reconstruction import train_run

VAE, SET = "conv-vae", "cifar"
VAE_EPOCHS = 10
COLLAPSED_NATS = 0.01  # nats of a unit, below which it says nothing
FIGURES = ("bits_per_dim", "kl", "picture_psnr", "ssim")
PIXEL_LIKELIHOODS: dict[str, dict[str, Any]] = {
    "Gaussian of calibrated variance (the default)": {},
    "Gaussian of variance 0.5, the squared error": {"kind": "gaussian"},
    "Gaussian of variance 0.1": {"kind": "gaussian", "variance": 0.1},
    "Gaussian of variance 0.01": {"kind": "gaussian", "variance": 0.01},
    "Laplace, calibrated": {"kind": "laplace"},
    "mixture of 5 discretised logistics": {"kind": "logistic_mixture"},
}


def measure_likelihoods(store: CellStore, device: str) -> None:
    """Train the same VAE by each likelihood: its bits, nats, errors and collapsed units."""
    path = PICTURE_SETS[SET].place(SET)
    for label, options in PIXEL_LIKELIHOODS.items():
        store.measure(
            name_likelihood_cell(label),
            lambda values=options: measure_likelihood(path, values, device),
        )


def name_likelihood_cell(label: str) -> str:
    """Return the key of a likelihood's figures."""
    return f"likelihoods {SET} {VAE} {VAE_EPOCHS} {label}"


def measure_likelihood(path: str, options: dict[str, Any], device: str) -> list[float]:
    """Return FIGURES, the share of collapsed units and the seconds per epoch of one VAE."""
    settings = {
        "training.epochs": VAE_EPOCHS,
        "training.previews": 0,
        "training.augment": (),
        "training.device": device,
        **{f"likelihood.{name}": value for name, value in options.items()},
    }
    model, seconds = train_run(plan_run(VAE, path, settings=settings))
    _, test = load_pictures(path)
    metrics = evaluate_model(model, test)
    collapsed = (measure_unit_kl(model, test) < COLLAPSED_NATS).float().mean().item()
    return [*(metrics[name] for name in FIGURES), collapsed, seconds]


@torch.no_grad()
def measure_unit_kl(model: Autoencoder, x: Tensor) -> Tensor:
    """Return KL(q(z_j|x) || N(0, 1)) of each unit, mean over examples: (latent_dim,) nats."""
    total = torch.zeros(model.config.latent_dim)
    for part, _ in iterate_chunks(model, x):
        mean, log_variance = model.activate(model.encoder(part).out).chunk(2, dim=1)
        total += 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(0)
    return total / len(x)


def report_likelihoods(store: CellStore) -> list[str]:
    """Return a table of the cells that are kept."""
    rows = [
        format_likelihood(label, store.figures[name_likelihood_cell(label)])
        for label in PIXEL_LIKELIHOODS
        if name_likelihood_cell(label) in store.figures
    ]
    if not rows:
        return []
    return [
        "",
        f"## Likelihoods: `{VAE}` on CIFAR-10, {VAE_EPOCHS} epochs",
        "",
        "Bits bound -log2 P(x) of the levels of 8 bits, by the number of values; densities are "
        f"integrated over each level. A unit has collapsed below {COLLAPSED_NATS} nats.",
        "",
        "| likelihood | bits per dimension | KL, nats | PSNR, dB | SSIM | collapsed | s an epoch |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]


def format_likelihood(label: str, figures: list[float]) -> str:
    """Return the line of a likelihood."""
    bits, kl, psnr, ssim, collapsed, seconds = figures
    return (
        f"| {label} | {bits:.2f} | {kl:.1f} | {psnr:.2f} | {ssim:.3f} | {collapsed:.0%} "
        f"| {seconds:.1f} |"
    )


LIKELIHOODS = PicturePart("likelihoods", measure_likelihoods, report_likelihoods)
