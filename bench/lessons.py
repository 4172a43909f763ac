"""Train the models of the lessons: `python -m bench.lessons` makes those that are missing.

Families of tiny models on the digits and on the half moons, in which one setting moves. Each is a
folder of checkpoints/lessons with its config and weights; together under 1.5 MB and trained in ten
minutes on one core. No download.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aecore.files import SHIPPED_FOLDER
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.records import EpochRecord
from aecore.training.trainer import fit

LESSONS_FOLDER = SHIPPED_FOLDER / "lessons"
QUIET = {"training.previews": 0, "training.device": "cpu"}
# A line through the half moons, by the epoch of one training
LINE_EPOCHS = (1, 2, 4, 8, 16, 32, 64, 128)
LINE = {
    "scaling": "none",
    "training.lr": 0.01,
    "training.batch_size": 128,
    "training.schedule": "constant",
}
# Enough for this one, in a third of the steps
SHORT = {"training.batch_size": 128, "training.lr": 0.004, "training.epochs": 160}
SMALL_NETWORK = {"network.hidden": [64]}
CODE_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
ACTIVE_UNITS = (1, 2, 4, 8, 16, 32, 64)
CONTRACTIVE_WEIGHTS = ("0", "0.01", "0.03", "0.1", "0.3", "1")
NOISE_LEVELS = ("0", "0.05", "0.1", "0.2", "0.4", "0.8")
BETAS = ("0.01", "0.1", "0.3", "1", "2", "4")
WIDE = 128  # units of codes wider than the 64 pixels
# Cross-entropy is too mild on so few grey pixels: with it draws are blurred
LEARNED_VARIANCE = {
    "likelihood.kind": "gaussian",
    "likelihood.output": "sigmoid",
    "likelihood.learned": True,
}
FIELD = {"network.hidden": [48, 48], "network.norm": "none", "training.epochs": 300}


def plan_models() -> dict[str, RunConfig]:
    """Returns the config of each model that is trained to its end, by its name."""
    planned = {
        f"code-{size}": plan("vanilla", latent_dim=size, **SMALL_NETWORK) for size in CODE_SIZES
    }
    planned["wide-copy"] = plan("linear", latent_dim=WIDE)
    planned["wide-denoising"] = plan(
        "denoising-gaussian", latent_dim=WIDE, **{"network.hidden": [], "corruption.sigma": 0.3}
    )
    for k in ACTIVE_UNITS:
        planned[f"sparse-{k}"] = plan(
            "k-sparse", latent_dim=WIDE, **{"bottleneck.k": k, "bottleneck.start": 100}
        )
    for weight in CONTRACTIVE_WEIGHTS:
        planned[f"contractive-{weight}"] = plan(
            "contractive", latent_dim=WIDE, **{"penalties.contractive.weight": float(weight)}
        )
    for sigma in NOISE_LEVELS:
        settings = {**FIELD, "corruption.sigma": float(sigma)}
        planned[f"noise-{sigma}"] = plan("denoising-gaussian", "moons", latent_dim=16, **settings)
    for beta in BETAS:
        settings = {**SMALL_NETWORK, "bottleneck.beta": float(beta)}
        planned[f"beta-{beta}"] = plan("vae", latent_dim=2, **settings)
    planned["prior-8"] = plan("vae", latent_dim=8, **SMALL_NETWORK, **SHORT, **LEARNED_VARIANCE)
    return planned


def plan(
    variant: str, data: str = "digits", latent_dim: int | None = None, **settings: Any
) -> RunConfig:
    """Returns the config of a variant at its defaults, with these settings by their paths."""
    return plan_run(variant, data, latent_dim=latent_dim, settings={**QUIET, **settings})


def main() -> None:
    """Train the missing models, and print the size of all."""
    for name, config in plan_models().items():
        if not (LESSONS_FOLDER / name).exists():
            train_model(config, {config.training.epochs: name} if config.training else {})
    names = {epoch: f"line-{epoch}" for epoch in LINE_EPOCHS}
    if not all((LESSONS_FOLDER / name).exists() for name in names.values()):
        settings = {**LINE, "training.epochs": max(LINE_EPOCHS)}
        train_model(plan("linear", "moons", latent_dim=1, **settings), names)
    files = [file for file in LESSONS_FOLDER.rglob("*") if file.is_file()]
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.2f} MB")


def train_model(config: RunConfig, names: Mapping[int, str]) -> None:
    """Train a run and save its best model after each of these epochs, {epoch: name}."""
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(config, Path(folder) / "run")
        for record in fit(run):
            if isinstance(record, EpochRecord) and record.epoch in names:
                name = names[record.epoch]
                Autoencoder.load(run.path).save(LESSONS_FOLDER / name, config)
        print(", ".join(names.values()), {k: round(v, 4) for k, v in run.test_metrics().items()})


if __name__ == "__main__":
    main()
