"""Train the shipped checkpoints: `python -m bench.shipped` makes those that are missing.

One small model for each idea on MNIST and one with a code of two numbers, which Home shows; of the
other variants one each on the embedded digits; three on curved sheets, and a detector and an
imputer of tables; a codec of photographs: together under 20 MB. Needs MNIST and the photographs of
BSDS500 ($AECORE_DATA, or for MNIST a download).
"""

from __future__ import annotations

import sys
from pathlib import Path

from aecore.cli.parser import main as run_command
from aecore.data.stand_in import CODEC_DATA
from aecore.files import CARD_FILE, CONFIG_FILE, LOCK_FILE, RESUME_FILE, write_text_file
from aecore.model.config import RunConfig
from aecore.runs.listing import SHIPPED_FOLDER, create_run, is_shipped_run
from aecore.tasks.anomaly import plan_detector
from aecore.tasks.impute import plan_imputer
from aecore.training.trainer import fit
from bench.pictures.photographs import CODEC_SET

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
FLAT_MODEL = ["vae", "--epochs", "40", "--latent-dim", "2", "--set", "network.hidden=[128,64]"]
TINY_MODELS = {  # on the embedded digits
    "overcomplete": [],
    "denoising-salt-and-pepper": ["--set", "network.hidden=[64]"],
    "batch-top-k": [],
    "jump-relu": [],
    "sparse-l1": [],
    "sparse-l2": [],
    "beta-vae": ["--set", "network.hidden=[64]", "--set", "bottleneck.beta=2"],
    "iwae": ["--set", "network.hidden=[64]"],
    "fsq": ["--set", "network.hidden=[64]"],
    "codec": ["--set", "network.hidden=[64]"],
}
CURVED = ["--set", "network.hidden=[128,128]", "--set", "network.norm=none", "--epochs", "600"]
CURVED_MODELS = {
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
CODEC_NAME = "photos-codec"
CODEC_SOURCE = (
    "The data are crops of 96 x 96 pixels of the photographs of BSDS500 (Arbeláez et al., 2011), "
    "as `bench/pictures/photographs.py` cuts them."
)
CODEC_OPTIONS = ["codec", "--epochs", "3", "--batch-size", "4", "--lr", "2e-3"]
TASK_MODELS = {
    "breast-cancer-detector": lambda: plan_detector(
        "breast-cancer", {"data.train_class": "benign", "data.test_fraction": 0.5}
    ),
    "breast-cancer-imputer": lambda: plan_imputer("breast-cancer"),
}


def main() -> None:
    """Train the missing models, and print the size of all."""
    small = {f"mnist-{variant}": [variant, *options] for variant, options in SMALL_MODELS.items()}
    small["mnist-vae-2d"] = FLAT_MODEL
    for name, options in small.items():
        settings = ["--data", "mnist", "--set", "training.precision=bfloat16"]
        previews = 2 if options is FLAT_MODEL else 4
        train_variant_unless_there(name, [*options, *settings], previews)
    for variant, options in TINY_MODELS.items():
        settings = ["--data", "digits", "--epochs", "100", *options]
        train_variant_unless_there(f"digits-{variant}", [variant, *settings], previews=0)
    for name, options in CURVED_MODELS.items():
        train_variant_unless_there(name, options)
    for name, plan in TASK_MODELS.items():
        train_task_unless_there(name, plan())
    train_codec_unless_there()
    folders = [folder for folder in SHIPPED_FOLDER.iterdir() if is_shipped_run(folder)]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    total = sum(file.stat().st_size for file in files)
    print(f"{total / 1e6:.1f} MB in {SHIPPED_FOLDER.name}")


def train_variant_unless_there(name: str, options: list[str], previews: int = 4) -> None:
    """Train a run by the command line's `train` with these options; exits where that fails."""
    folder = SHIPPED_FOLDER / name
    if folder.exists():
        return
    settings = ["--set", f"training.previews={previews}", "--out", str(folder)]
    status = run_command(["train", *options, *settings])
    if status:
        sys.exit(status)
    remove_trainer_files(folder)


def train_codec_unless_there() -> None:
    """Train the codec on crops of photographs; its files name them without this machine's path."""
    folder = SHIPPED_FOLDER / CODEC_NAME
    if folder.exists():
        return
    path = CODEC_SET.place(Path(CODEC_DATA).stem)
    options = ["--data", path, "--set", 'training.augment=["flip"]']
    train_variant_unless_there(CODEC_NAME, [*CODEC_OPTIONS, *options], previews=0)
    title = "## Training\n\n"
    for name in (CONFIG_FILE, CARD_FILE):
        text = (folder / name).read_text().replace(path, CODEC_DATA)
        write_text_file(folder / name, text.replace(title, f"{title}{CODEC_SOURCE}\n\n"))


def train_task_unless_there(name: str, config: RunConfig) -> None:
    """Train the run of a task's config."""
    folder = SHIPPED_FOLDER / name
    if folder.exists():
        return
    assert config.training is not None
    training = config.training.model_copy(update={"previews": 4})
    for _ in fit(create_run(config.model_copy(update={"training": training}), folder)):
        pass
    remove_trainer_files(folder)


def remove_trainer_files(folder: Path) -> None:
    """Delete what only a trainer needs."""
    for name in (RESUME_FILE, LOCK_FILE):
        (folder / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
