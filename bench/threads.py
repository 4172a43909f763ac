"""Threads of a run in three situations; a part of `python -m bench.speed`.

Epochs of MNIST's 784-400-20 VAE, each way in a process of its own, alone, beside a busy loop, and
beside a second run of the same way:
  spinning   two threads (or all), waiting as OpenMP waits by default
  one        one thread
  passive    two threads (or all), which sleep while they wait: OMP_WAIT_POLICY=PASSIVE
  ours       what the trainer chooses when it starts

By itself, `python -m bench.threads [--turns N] [--situation NAME ...]` prints the figures and
writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.records import EpochRecord
from aecore.training import threads
from aecore.training.trainer import fit
from bench.results import PROJECT, compute_ratios, format_range
from bench.timing import load_mnist, repeat_in_turns

EPOCHS, THREAD_TURNS = 5, 3  # epochs of a process, of which the first is not counted
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "spinning": ("all", {}),
    "one": ("one", {}),
    "passive": ("all", {"OMP_WAIT_POLICY": "PASSIVE"}),
    "ours": ("ours", {}),
}
BUSY_LOOP = "while True: pass"

Situation = Callable[[str], AbstractContextManager[object]]  # what runs beside a way, until its end

SITUATIONS: dict[str, Situation] = {
    "alone": lambda way: nullcontext(),
    "beside a busy loop": lambda way: running([sys.executable, "-c", BUSY_LOOP], {}),
    "beside a second run": lambda way: running(*make_command(way, endless=True)),
}


def measure_threads(turns: int = THREAD_TURNS, situations: Sequence[str] = ()) -> str:
    """Returns a section of Markdown: seconds of an epoch, each way in each situation, or some."""
    lines = ["| |" + "".join(f" {way} |" for way in WAYS) + " ours / best |"]
    lines.append("|---" * (len(WAYS) + 2) + "|")
    for situation in situations or SITUATIONS:
        begin = SITUATIONS[situation]
        ways = {way: partial(time_epochs_in, begin, way) for way in WAYS}
        times = repeat_in_turns(ways, turns)
        cells = "".join(f" {statistics.median(values):.2f} |" for values in times.values())
        rivals = zip(*(times[way] for way in WAYS if way != "ours"), strict=True)
        ratios = compute_ratios(times["ours"], [min(rival) for rival in rivals])
        lines.append(f"| {situation} |{cells} {format_range(ratios)} |")
        print(lines[-1], flush=True)
    return "\n".join(
        [
            "## Threads of a run",
            "",
            f"Seconds of an epoch at batch 128, {os.cpu_count()} cores: a median of {EPOCHS - 1} "
            f"epochs of a process, and of that the median of {turns} turns. *Spinning* and "
            f"*passive*: {torch.get_num_threads()} threads. *Ours*: what a run chooses when it "
            "starts; the ratio is to the best of the others within a turn.",
            "",
            *lines,
        ]
    )


def make_command(way: str, endless: bool = False) -> tuple[list[str], dict[str, str]]:
    """Returns the command of a process that trains in one way, and its environment."""
    count, environment = WAYS[way]
    epochs = 100_000 if endless else EPOCHS
    return [sys.executable, "-m", "bench.threads", "--train", count, str(epochs)], environment


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Runs a command beside what is measured, and kills it in the end."""
    process = start(command, environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def time_epochs_in(begin: Situation, way: str) -> float:
    """Returns what `time_epochs` returns in a situation."""
    with begin(way):
        return time_epochs(way)


def time_epochs(way: str) -> float:
    """Returns the median seconds of an epoch of a process that trains in one way."""
    output, _ = start(*make_command(way)).communicate()
    return statistics.median(json.loads(output.splitlines()[-1])[1:])


def start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Starts a process whose threads wait as OpenMP waits by default, unless it says otherwise."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    return subprocess.Popen(
        command, cwd=PROJECT, env={**inherited, **environment}, stdout=subprocess.PIPE, text=True
    )


def train(count: str, epochs: int) -> list[float]:
    """Trains with `one` thread, `all`, or what the trainer chooses; returns seconds by epoch."""
    settings = {
        "data.validation_fraction": 0,
        "network.activation": "relu",
        "network.linear_path": False,
        "training.device": "cpu",
        "training.epochs": 1000,
    }
    if count == "one":
        torch.set_num_threads(1)
    elif count == "all":
        threads.choose_thread_count = max  # the largest number, whatever was measured
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(plan_run("vae", "mnist", settings=settings), Path(folder) / "run")
        for record in fit(run, lambda: len(seconds) >= epochs):
            if isinstance(record, EpochRecord):
                seconds.append(record.seconds or 0.0)
    return seconds


def main() -> None:
    """Print the figures; with --train, train in this process and print its epochs."""
    parser = argparse.ArgumentParser(prog="python -m bench.threads")
    parser.add_argument("--train", nargs=2, metavar=("THREADS", "EPOCHS"), help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, default=THREAD_TURNS, help="default: %(default)s")
    parser.add_argument("--situation", action="append", choices=SITUATIONS, help="default: all")
    options = parser.parse_args()
    load_mnist()
    if options.train:
        count, epochs = options.train
        print(json.dumps(train(count, int(epochs))))
    else:
        print(measure_threads(options.turns, options.situation or ()))


if __name__ == "__main__":
    main()
