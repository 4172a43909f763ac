"""Augmentation on few pictures: the test error of `vanilla` on 1,000 of MNIST, with and without.

python -m bench.augmentation [--epochs 100] [--seeds 2]

MNIST is read from AECORE_DATA, or downloaded. The error is that of all 10,000 test pictures:
squared, summed over pixels. The bar: with pictures that are shifted it is lower for every seed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from torch import Tensor

from aecore.analysis.metrics import evaluate_model
from aecore.model.autoencoder import Autoencoder
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit
from bench.timing import load_mnist

COUNT = 1000
KINDS = ((), ("shift",), ("shift", "rotation"))


def train_on_few(kinds: tuple[str, ...], epochs: int, seed: int) -> Autoencoder:
    """Returns `vanilla` trained on the first draw of 1,000 pictures, changed by these kinds."""
    settings = {
        "data.limit": COUNT,
        "training.epochs": epochs,
        "training.augment": kinds,
        "training.seed": seed,
        "training.previews": 0,
        "training.device": "cpu",
    }
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(plan_run("vanilla", "mnist", settings=settings), Path(folder) / "run")
        for _ in fit(run):
            pass
        return Autoencoder.load(run.path)


def measure_errors(x: Tensor, epochs: int, seeds: int) -> dict[tuple[str, ...], list[float]]:
    """Returns the test error of each seed, by the kinds of changes."""
    return {
        kinds: [evaluate_model(train_on_few(kinds, epochs, seed), x)["se"] for seed in range(seeds)]
        for kinds in KINDS
    }


def main() -> int:
    """Prints a line for each set of kinds; returns 1 where shifts do not lower the error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    errors = measure_errors(load_mnist().test.x, options.epochs, options.seeds)
    print("| augmentation | test error of each seed |\n|---|---|")
    for kinds, found in errors.items():
        print(f"| {', '.join(kinds) or 'none'} | {', '.join(f'{error:.2f}' for error in found)} |")
    has_passed = all(
        changed < plain for changed, plain in zip(errors[KINDS[1]], errors[()], strict=True)
    )
    print("Shifts lower the error." if has_passed else "MISS: shifts do not lower the error.")
    return int(not has_passed)


if __name__ == "__main__":
    raise SystemExit(main())
