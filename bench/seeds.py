"""The time of several runs that train together beside that of one; a part of `bench.speed`.

    python -m bench.seeds [--rounds 5]

writes it alone to docs/results/seeds.md. One run and several of its seeds (or settings) take turns
in one process.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from aecore.data.datasets import load_dataset
from aecore.model.config import DataConfig, RunConfig
from aecore.model.variants.fitting import configure
from aecore.runs.listing import create_run
from aecore.runs.sweep import with_seed
from aecore.training.together import Group
from bench.results import (
    compute_ratios,
    describe_commit,
    describe_processor,
    format_range,
    write_result,
)
from bench.timing import plan_mnist_run, time_interleaved

Epoch = Callable[[], None]
CPU = torch.device("cpu")
BETAS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


def plan_digits_run(beta: float = 1.0) -> RunConfig:
    """Returns the usual VAE on scikit-learn's digits, of more epochs than are timed."""
    data = DataConfig(name="digits", validation_fraction=0)
    examples = load_dataset(data).count
    config = configure("vae", (1, 8, 8), examples=examples, data=data)
    bottleneck = config.model.bottleneck.model_copy(update={"beta": beta})
    model = config.model.model_copy(update={"bottleneck": bottleneck})
    training = config.training.model_copy(update={"epochs": 100_000, "device": "cpu"})
    return config.model_copy(update={"model": model, "training": training})


def prepare_group(configs: Sequence[RunConfig]) -> Epoch:
    """Returns an epoch of runs that train together; of one, as it trains alone."""
    folder = Path(tempfile.mkdtemp())
    group = Group(lambda: False, None, queued=False)
    for number, config in enumerate(configs):
        run = create_run(config, folder / str(number))
        group.lock(run)
        list(group.begin(run))
    trainers = list(group.trainers)

    def run_epoch() -> None:
        if len(trainers) == 1:
            for step in trainers[0].iterate_steps():
                trainers[0].update(*step)
        else:
            group.make_updates(trainers)
        for trainer in trainers:
            assert bool(trainer.update.sums.isfinite().all())
            trainer.epoch += 1

    return run_epoch


def list_cases() -> dict[str, tuple[list[RunConfig], float]]:
    """Returns runs that train together, and the bar: how many times one of them they may cost."""
    digits, mnist = plan_digits_run(), plan_mnist_run(CPU)
    return {
        "3 seeds of vae on digits": ([with_seed(digits, i, "") for i in range(3)], 1.6),
        "8 settings of beta-vae on digits": ([plan_digits_run(beta) for beta in BETAS], 3.0),
        "3 seeds of vae on MNIST, 784-400-20": ([with_seed(mnist, i, "") for i in range(3)], 2.4),
    }


def measure_seeds(rounds: int) -> list[str]:
    """Returns the section on runs that train together."""
    rows = []
    for name, (configs, bar) in list_cases().items():
        ways: Mapping[str, Epoch] = {
            "one": prepare_group(configs[:1]),
            "together": prepare_group(configs),
        }
        times = time_interleaved(ways, rounds, CPU)
        ratio = format_range(compute_ratios(times["together"], times["one"]))
        one, together = (min(times[way]) for way in ways)
        rows.append(f"| {name} | {one:.3f} | {together:.3f} | **{ratio}** | {bar} |")
    head = [
        "## Runs that train together",
        "",
        "Updates of an epoch of one run, and of several in one process (`train --seeds`, sweeps).",
        "",
        "| | one, s | together, s | together / one | bar |",
        "|---|---|---|---|---|",
    ]
    return ["\n".join([*head, *rows])]


def main() -> None:
    """Write the section as a result of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    sections = measure_seeds(parser.parse_args().rounds)
    about = (
        f"{describe_processor()}, {torch.get_num_threads()} threads, commit {describe_commit()}, "
        "`python -m bench.seeds`. Least seconds, and ratios within a turn: median, least and most."
    )
    write_result("seeds.md", ["# Seeds that train together", "", about, "", *sections, ""])


if __name__ == "__main__":
    main()
