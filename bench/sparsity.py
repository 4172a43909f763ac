"""Sparse codes at equal sparsity on MNIST: `python -m bench.sparsity` writes sparsity.md.

Trains tied 784-1024-784 networks with k = 25 units on: plain top-k, with the auxiliary loss for
dead units, BatchTopK without and with it, and JumpReLU; three seeds each, on the CPU. Each run is
kept in the folder of runs and is not trained again: stop and go on as you like. About four minutes
on one core. The result is docs/results/sparsity.md.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.runs.listing import create_run, runs_folder
from aecore.runs.run import Run
from aecore.training.trainer import fit
from bench.results import describe_commit, describe_processor, write_result
from bench.timing import load_mnist

UNITS, ACTIVE, SEEDS = 1024, 25, (0, 1, 2)
EXAMPLES, EPOCHS = 20_000, 4
BOTTLENECKS: dict[str, dict[str, Any]] = {
    "top-k": {"kind": "top_k", "by": "value"},
    "top-k, auxiliary loss": {"kind": "top_k", "by": "value", "auxiliary": 1 / 32},
    "BatchTopK": {"kind": "batch_top_k", "auxiliary": 0},
    "BatchTopK, auxiliary loss": {"kind": "batch_top_k", "auxiliary": 1 / 32},
    "JumpReLU": {"kind": "jump_relu"},
}


class Cell(NamedTuple):
    """What one run reaches."""

    error: float  # SE on the test set
    active: float  # units on for a test example, on average
    dead: float  # share of the units that are off with all training examples


def main() -> None:
    """Train what is not there yet, seed by seed, and write the result after each."""
    dataset = load_mnist()
    cells: dict[str, list[Cell]] = {name: [] for name in BOTTLENECKS}
    for seed in SEEDS:
        for name in BOTTLENECKS:
            cells[name].append(measure_cell(train_cell(name, seed), dataset))
            print(f"{name}, seed {seed}: {cells[name][-1]}", flush=True)
        write_result("sparsity.md", format_table(cells, seed + 1))


def format_table(cells: Mapping[str, Sequence[Cell]], seeds: int) -> list[str]:
    """Return the lines of the result, of so many seeds."""
    spread = f"{seeds} seeds: mean and deviation" if seeds > 1 else "one seed"
    return [
        "# Sparse codes at equal sparsity",
        "",
        f"{EXAMPLES:,} training images of MNIST, tied 784-{UNITS}-784 networks, {ACTIVE} units on, "
        f"{EPOCHS} epochs of batches of 128, Adam 2e-3 with a cosine, {spread}. "
        f"{describe_processor()}, commit {describe_commit()}, `python -m bench.sparsity`.",
        "",
        "SE: squared error on the 10,000 test images, summed over pixels. Units on: of a test "
        "image, on average. Dead: units that are off with all 60,000 training images.",
        "",
        "| bottleneck | SE | units on | dead |",
        "|---|---|---|---|",
        *(format_row(name, cells[name]) for name in cells),
        "",
    ]


def make_config(name: str, seed: int) -> RunConfig:
    """Return the config of one cell."""
    options = dict(BOTTLENECKS[name])
    options["target" if options["kind"] == "jump_relu" else "k"] = ACTIVE
    network = {"kind": "mlp", "hidden": (), "tied": True}
    model = {"input_shape": (1, 28, 28), "latent_dim": UNITS, "network": network}
    return RunConfig(
        model=parse_options(ModelConfig, {**model, "bottleneck": options}),
        data=DataConfig(name="mnist", limit=EXAMPLES, validation_fraction=0),
        training=TrainConfig(epochs=EPOCHS, seed=seed, previews=0, device="cpu"),
    )


def train_cell(name: str, seed: int) -> Autoencoder:
    """Return the trained model of a cell, from its run where that is there."""
    config = make_config(name, seed)
    digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]
    folder = runs_folder() / "sparsity" / digest
    run = Run(folder) if folder.exists() else create_run(config, folder)
    if run.state().state != "done":
        for _ in fit(run):
            pass
    return Autoencoder.load(run.path)


def measure_cell(model: Autoencoder, dataset: Dataset) -> Cell:
    """Return error and activity of a model."""
    x = dataset.test.x
    z = encode_in_chunks(model, x)
    error = (decode_in_chunks(model, z) - as_float(x)).square().sum() / len(x)
    was_active = torch.zeros(UNITS, dtype=torch.bool)
    for part in dataset.train.x.split(10_000):
        was_active |= (encode_in_chunks(model, part) != 0).any(0)
    active = (z != 0).sum() / len(z)
    return Cell(error.item(), active.item(), 1 - was_active.float().mean().item())


def format_row(name: str, cells: Sequence[Cell]) -> str:
    """Return a line of the table."""
    errors, active, dead = zip(*cells, strict=True)
    return (
        f"| {name} | {format_mean(errors, '.2f')} | {format_mean(active, '.1f')} "
        f"| {format_mean([100 * share for share in dead], '.1f')} % |"
    )


def format_mean(values: Sequence[float], digits: str) -> str:
    """Return the mean, with the deviation of several."""
    if len(values) == 1:
        return f"{values[0]:{digits}}"
    return f"{statistics.mean(values):{digits}} ± {statistics.stdev(values):{digits}}"


if __name__ == "__main__":
    main()
