"""Helpers of the benchmarks of training: MNIST, our trainer on it, interleaved timing, tables."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch

from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig, RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import Trainer
from bench.results import compute_ratios, format_range

BATCH = 128

ResultT = TypeVar("ResultT")


def load_mnist() -> Dataset:
    """Returns MNIST, or ends the benchmark with a sentence that says where it was looked for."""
    try:
        return load_dataset(DataConfig(name="mnist"))
    except DataError as error:
        raise SystemExit(str(error)) from None  # it names the folder, and what to set


def build_trainer(
    device: torch.device, batch: int = BATCH, variant: str = "vae", **options: object
) -> Trainer:
    """Returns our trainer on all of MNIST, as `plan_mnist_run` has it."""
    config = plan_mnist_run(device, batch, variant, **options)
    return Trainer(create_run(config, Path(tempfile.mkdtemp()) / "run"), lambda: False, None)


def plan_mnist_run(
    device: torch.device, batch: int = BATCH, variant: str = "vae", **options: object
) -> RunConfig:
    """Returns a run on all of MNIST, with ReLU networks as in the tutorial, no linear path beside.

    `options` are settings with dotted names, such as {"training.precision": "bfloat16"}.
    """
    settings = {
        "data.validation_fraction": 0,
        "training.device": device.type,
        "training.epochs": 1000,
    }
    settings |= {"network.activation": "relu", "network.linear_path": False}
    settings |= {"training.batch_size": batch, **options}
    return plan_run(variant, "mnist", settings=settings)


def run_one_epoch(trainer: Trainer) -> None:
    """Train one epoch and read its sums once at the end, as the trainer itself does."""
    for step in trainer.iterate_steps():
        trainer.update(*step)
    sums = trainer.sum_losses()
    assert sums is not None and bool(sums.isfinite().all())
    trainer.epoch += 1


def time_call(call: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds that a call takes, the work that it queued on a GPU included."""
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def repeat_in_turns(
    ways: Mapping[str, Callable[[], ResultT]], turns: int
) -> dict[str, list[ResultT]]:
    """Returns what each way returns in each turn, the ways one after another within a turn."""
    results: dict[str, list[ResultT]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            results[name].append(way())
    return results


def time_interleaved(
    ways: Mapping[str, Callable[[], None]], rounds: int, device: torch.device
) -> dict[str, list[float]]:
    """Returns the seconds of each way in each round, the ways taking turns.

    One more round, the first, warms up and is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(rounds + 1):
        for name, way in ways.items():
            seconds = time_call(way, device)
            if round_number:
                times[name].append(seconds)
        latest = {name: round(values[-1], 4) for name, values in times.items() if values}
        print(round_number, latest, flush=True)
    return times


def format_section(title: str, times: Mapping[str, list[float]], *slower: str) -> str:
    """Returns a section of Markdown: a table of the times, and ratios of those of one turn.

    The ratios are those of each name in `slower` to "ours", of "ours" to each way whose name
    begins with "products", and of "tutorial" to "products".
    """
    rows = [
        f"| {name} | {min(values):.3f} | {statistics.median(values):.3f} | {max(values):.3f} |"
        for name, values in times.items()
    ]
    pairs = [(name, "ours") for name in slower if name in times]
    pairs += [("ours", name) for name in times if name.startswith("products")]
    ratios = [f"- {a} / {b}: **{format_ratio(times[a], times[b])}**" for a, b in pairs]
    if "tutorial" in times:
        ratio = format_ratio(times["tutorial"], times["products"])
        ratios.append(f"- tutorial / products: {ratio}")
    head = ["", "| | min, s | median, s | max, s |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", *head, *rows, "", *ratios])


def format_ratio(times: list[float], others: list[float]) -> str:
    """Returns the ratios of the times of one turn: median, minimum and maximum."""
    return format_range(compute_ratios(times, others))
