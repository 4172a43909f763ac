"""Defaults on pictures: variants and the recipes of tasks, each beside PCA of as many numbers.

A codebook is beside PCA of as many bits: components in steps, by the same coder. A denoiser is
given noisy pictures, and so is PCA, with at most as many components as it saw pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.analysis.latent import fit_pca
from aecore.model.config import RunConfig
from aecore.runs.plan import plan_run
from aecore.tasks.anomaly import plan_detector
from aecore.tasks.compress import compress_examples, plan_compressor
from aecore.tasks.denoise import plan_denoiser
from aecore.tasks.range_coder import pack_codes, unpack_codes
from aecore.tasks.recipes import Settings
from bench.fidelity.cells import CellStore
from bench.pictures.part import PicturePart
from bench.pictures.photographs import PICTURE_SETS, load_pictures, measure_mean_psnr
from bench.pictures.reconstruction import rebuild_by_pca, train_run

DEFAULT_PICTURES = 2000  # to train with: the defaults make as many steps of them as of 8,000
NOISE = {"denoiser": 0.1}  # deviation
CODED_UNITS = 512  # components that PCA may spend its bits on
HALVINGS = 12  # of the range in which the step lies that gives as many bits
PLANS: dict[str, Callable[[str, Settings], RunConfig]] = {
    "conv": lambda path, settings: plan_run("conv", path, settings=settings),
    "conv-vae": lambda path, settings: plan_run("conv-vae", path, settings=settings),
    "vq-vae": lambda path, settings: plan_run("vq-vae", path, settings=settings),
    "compressor": plan_compressor,
    "denoiser": plan_denoiser,
    "detector": plan_detector,
}


def measure_picture_defaults(store: CellStore, device: str) -> None:
    """Train the cells that are missing: PSNR of the test pictures, that of PCA, units, seconds."""
    for name in PICTURE_SETS:
        path = PICTURE_SETS[name].place(name)
        for plan_name, plan in PLANS.items():
            settings = {
                "data.limit": DEFAULT_PICTURES,
                "training.previews": 0,
                "training.device": device,
            }
            noise = NOISE.get(plan_name, 0.0)
            store.measure(
                name_default_cell(name, plan_name),
                lambda p=path, c=plan, s=settings, n=noise: measure_default(p, c(p, s), n),
            )


def name_default_cell(name: str, plan: str) -> str:
    """Return the key of a cell."""
    noise = f" {NOISE[plan]}" if plan in NOISE else ""
    return f"defaults {name} {plan}{noise}"


def measure_default(path: str, config: RunConfig, noise: float) -> list[float]:
    """Return PSNR, PCA's PSNR, the numbers (or bits) of a code and the seconds of the training."""
    train, test = load_pictures(path)
    model, seconds = train_run(config)
    assert config.training is not None
    seen = train[:DEFAULT_PICTURES]
    noisy = test + noise * torch.randn(test.shape, generator=torch.Generator().manual_seed(0))
    size = float(config.model.latent_dim)
    if model.bottleneck.levels is not None:
        size = 8 * len(compress_examples(model, test)) / len(test)
        by_pca = rebuild_by_coded_pca(seen, noisy, size)
    else:
        by_pca = rebuild_by_pca(seen, noisy, min(config.model.latent_dim, len(seen) - 1))
    psnrs = (measure_mean_psnr(test, x) for x in (reconstruct_in_chunks(model, noisy), by_pca))
    return [*psnrs, size, seconds * config.training.epochs]


def rebuild_by_coded_pca(train: Tensor, test: Tensor, bits: float) -> Tensor:
    """Return test pictures from components in the finest steps that take at most so many bits.

    The bits are those of a picture, in the coder's file of all.
    """
    pca = fit_pca(train.flatten(1).numpy(), CODED_UNITS)
    z = torch.from_numpy(pca.transform(test.flatten(1).numpy())).float()
    fine, coarse = 1e-2, 1e2
    for _ in range(HALVINGS):
        step = math.sqrt(fine * coarse)
        if 8 * len(pack_codes(z, torch.full((CODED_UNITS,), step))) / len(test) > bits:
            fine = step
        else:
            coarse = step
    coded = unpack_codes(pack_codes(z, torch.full((CODED_UNITS,), coarse)))
    return torch.from_numpy(pca.inverse_transform(coded.numpy())).view_as(test)


def report_picture_defaults(store: CellStore) -> list[str]:
    """Return a table for each set of the cells that are kept."""
    lines = []
    for name, pictures in PICTURE_SETS.items():
        rows = [
            format_default(plan, store.figures[name_default_cell(name, plan)])
            for plan in PLANS
            if name_default_cell(name, plan) in store.figures
        ]
        if rows:
            head = ["| what | code, numbers | PSNR, dB | PCA, dB | s of training |"]
            head += ["|---|---:|---:|---:|---:|"]
            lines += ["", f"## Defaults: {pictures.label.split(',')[0]}", "", *head, *rows]
    return lines


def format_default(name: str, figures: list[float]) -> str:
    """Return the line of a cell."""
    psnr, by_pca, size, seconds = figures
    code = f"{size:.0f} bits" if name == "vq-vae" else f"{size:.0f}"
    what = f"{name}, noise of deviation {NOISE[name]}" if name in NOISE else name
    return f"| {what} | {code} | {psnr:.2f} | {by_pca:.2f} | {seconds:.0f} |"


PICTURE_DEFAULTS = PicturePart("defaults", measure_picture_defaults, report_picture_defaults)
