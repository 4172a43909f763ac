"""How benchmarks time: MNIST, our trainer on it, several ways turn by turn, tables of ratios."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import DataConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import Trainer

BATCH = 128


def load_mnist() -> Dataset:
    """Returns MNIST, or ends the benchmark with a sentence that says where it was looked for."""
    try:
        return load_dataset(DataConfig(name="mnist"))
    except DataError as error:
        raise SystemExit(str(error)) from None  # it names the folder, and what to set


def build_trainer(
    device: torch.device, batch: int = BATCH, variant: str = "vae", **options: object
) -> Trainer:
    """Our trainer on all of MNIST, with the tutorial's network where it is the VAE."""
    settings = {
        "data.validation_fraction": 0,
        "training.device": device.type,
        "training.epochs": 1000,
    }
    settings |= {"network.activation": "relu", "training.batch_size": batch, **options}
    config = plan_run(variant, "mnist", settings=settings)
    return Trainer(create_run(config, Path(tempfile.mkdtemp()) / "run"), lambda: False, None)


def run_one_epoch(trainer: Trainer) -> None:
    sums = trainer.run_epoch()
    assert sums is not None and bool(
        sums.isfinite().all()
    )  # as the trainer reads them: once an epoch
    trainer.epoch += 1


def time_call(epoch: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def time_interleaved(
    ways: Mapping[str, Callable[[], None]], rounds: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each way, turn by turn; the first turn warms up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            taken = time_call(way, device)
            if number:
                times[name].append(taken)
        print(number, {name: round(t[-1], 4) for name, t in times.items() if t}, flush=True)
    return times


def format_section(title: str, times: Mapping[str, list[float]], *slower: str) -> str:
    """One table: time_call, and ratios taken turn by turn, of the slower ways to ours and of ours to bare products."""
    rows = [
        f"| {name} | {min(t):.3f} | {statistics.median(t):.3f} | {max(t):.3f} |"
        for name, t in times.items()
    ]
    ratios = [(name, "ours") for name in slower if name in times] + [
        ("ours", name) for name in times if name.startswith("products")
    ]
    said = [f"- {a} / {b}: **{format_ratio(times[a], times[b])}**" for a, b in ratios]
    if "tutorial" in times:
        said.append(f"- tutorial / products: {format_ratio(times['tutorial'], times['products'])}")
    head = ["", "| | min, s | median, s | max, s |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", *head, *rows, "", *said])


def format_ratio(a: list[float], b: list[float]) -> str:
    shares = [x / y for x, y in zip(a, b, strict=True)]
    return f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
