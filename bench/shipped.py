"""Train the shipped checkpoints: `python -m bench.shipped` makes those that are missing.

One small model for each idea on MNIST, three on curved sheets, and a detector and an imputer of tables: together
under 16 MB. Needs MNIST ($AECORE_DATA or a download).
"""

from __future__ import annotations

import sys
from pathlib import Path

from aecore.cli.parser import main as run_command
from aecore.files import LOCK_FILE, RESUME_FILE
from aecore.runs.listing import SHIPPED_FOLDER, create_run, is_shipped_run
from aecore.tasks.anomaly import plan_detector
from aecore.tasks.impute import plan_imputer
from aecore.training.trainer import fit

SMALL_MODELS = {
    "linear": ["--latent-dim", "30"],
    "vanilla": ["--epochs", "40", "--set", "network.hidden=[128]"],
    "stacked": ["--epochs", "40", "--set", "network.hidden=[128,48]", "--latent-dim", "16"],
    "conv": ["--epochs", "10", "--set", "network.channels=[16,32]"],
    "denoising-gaussian": ["--epochs", "40", "--set", "network.hidden=[128]"],
    "denoising-masking": ["--epochs", "40", "--set", "network.hidden=[128]"],
    "k-sparse": ["--epochs", "30", "--latent-dim", "256", "--set", "bottleneck.start=100"],
    "sparse-kl": ["--epochs", "20", "--latent-dim", "128"],
    "contractive": ["--epochs", "20", "--latent-dim", "200"],
    "vae": ["--epochs", "40", "--set", "network.hidden=[256]"],
    "conv-vae": ["--epochs", "12", "--latent-dim", "16", "--set", "network.channels=[16,32]"],
    "wae-mmd": ["--epochs", "40", "--set", "network.hidden=[128]"],
    "vq-vae": ["--epochs", "40", "--set", "network.hidden=[128]"],
}


CURVED = ["--set", "network.hidden=[128,128]", "--set", "network.norm=none", "--epochs", "600"]
OTHERS = {
    "swiss-roll-vanilla": ["vanilla", "--data", "swiss-roll", *CURVED],
    "s-curve-vae": ["vae", "--data", "s-curve", *CURVED, "--set", "likelihood.variance=0.01"],
    "circles-denoising": [
        "denoising-gaussian",
        "--data",
        "circles",
        *CURVED,
        "--latent-dim",
        "16",
        "--set",
        "corruption.sigma=0.2",
    ],
}
TASK_MODELS = {
    "breast-cancer-detector": lambda: plan_detector(
        "breast-cancer", {"data.train_class": "benign", "data.test_fraction": 0.5}
    ),
    "breast-cancer-imputer": lambda: plan_imputer("breast-cancer"),
}


def main() -> None:
    for variant, options in SMALL_MODELS.items():
        make(
            f"mnist-{variant}",
            [variant, "--data", "mnist", *options, "--set", "training.precision=bfloat16"],
        )
    for name, options in OTHERS.items():
        make(name, options)
    for name, plan in TASK_MODELS.items():
        if not (SHIPPED_FOLDER / name).exists():
            config = plan()
            training = config.training.model_copy(update={"previews": 4})
            run = create_run(
                config.model_copy(update={"training": training}), SHIPPED_FOLDER / name
            )
            for _ in fit(run):
                pass
            tidy(SHIPPED_FOLDER / name)
    folders = [folder for folder in SHIPPED_FOLDER.iterdir() if is_shipped_run(folder)]
    total = sum(
        file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()
    )
    print(f"{total / 1e6:.1f} MB in {SHIPPED_FOLDER.name}")


def make(name: str, options: list[str]) -> None:
    """Train a run unless it is there."""
    if (SHIPPED_FOLDER / name).exists():
        return
    if status := run_command(
        ["train", *options, "--set", "training.previews=4", "--out", str(SHIPPED_FOLDER / name)]
    ):
        sys.exit(status)
    tidy(SHIPPED_FOLDER / name)


def tidy(folder: Path) -> None:
    for name in (RESUME_FILE, LOCK_FILE):
        (folder / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
