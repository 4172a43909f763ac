"""Train the shipped checkpoints: `python -m bench.shipped` makes those that are missing.

One small model for each idea, all on MNIST, together under 12 MB. Needs MNIST ($AECORE_DATA or a download).
"""

from __future__ import annotations

import sys

from aecore.__main__ import main as aecore
from aecore.runs import SHIPPED
from aecore.train import RESUME

SMALL = {
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
}  # fmt: skip


def main() -> None:
    for variant, options in SMALL.items():
        folder = SHIPPED / f"mnist-{variant}"
        if folder.exists():
            continue
        arguments = ["train", variant, "--data", "mnist", *options, "--set", "training.previews=4"]
        arguments += ["--set", "training.precision=bfloat16"]
        if status := aecore([*arguments, "--out", str(folder)]):
            sys.exit(status)
        for name in (RESUME, "run.lock"):
            (folder / name).unlink(missing_ok=True)
    total = sum(f.stat().st_size for f in SHIPPED.glob("mnist-*/**/*") if f.is_file())
    print(f"{total / 1e6:.1f} MB in {SHIPPED.name}")


if __name__ == "__main__":
    main()
