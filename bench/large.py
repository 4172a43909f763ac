"""A data set larger than memory: `python -m bench.large` writes docs/results/large.md.

4 GB of noisy MNIST-like pictures are generated as one .npy, and an epoch of them is trained in a
process that may have 1.5 GB of memory of its own. Its speed is compared with that of the same
network on a part that is resident, turn by turn in one process: from the disk once with the file
put out of the page cache first, and once without.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.devices import describe_device
from aecore.training.trainer import Trainer, fit
from bench.results import compute_ratios, format_range, write_result

GIGABYTES, LIMIT = 4.0, 1.5
SETTINGS = {
    "training.epochs": 1,
    "training.batch_size": 128,
    "training.previews": 2,
    "network.activation": "relu",
}
TURN_STEPS = 400  # of one measurement
RESIDENT_EXAMPLES = 60_000
SIDE, PIXELS = 28, 784
ROWS_AT_ONCE = 50_000  # of the file, while it is generated
MARKER = "RESULT"  # of the line that the child process prints

Speeds = Mapping[str, list[float]]  # examples a second of each way, one value per turn


class LimitedEpoch(NamedTuple):
    """An epoch in a process of limited memory."""

    seconds: float
    nll_bound: float  # nats per example
    peak_bytes: int


def main() -> None:
    """Generate the file, measure both, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.child:
        train_in_child(*options.child)
        return
    with tempfile.TemporaryDirectory(prefix="aecore-large-") as name:
        folder = Path(name)
        path = folder / "large.npy"
        count = generate_pictures(path, options.gigabytes)
        print(f"{count:,} examples, {path.stat().st_size / 1e9:.2f} GB", flush=True)
        speeds = measure_speeds(path, folder, options.rounds)
        drop_from_page_cache(path)
        epoch = measure_limited_epoch(path, folder / "run")
    write_result("large.md", format_large_result(count, speeds, epoch))


def generate_pictures(path: Path, gigabytes: float) -> int:
    """Write digits of 28 x 28 bytes, sorted by class, each shifted and with noise of its own.

    Returns how many there are.
    """
    from sklearn.datasets import load_digits
    from sklearn.utils import check_random_state

    digits = load_digits()
    order = np.argsort(digits.target, kind="stable")
    enlarged = np.kron(digits.images[order] / 16, np.ones((1, 3, 3)))  # 24 x 24
    count = int(gigabytes * 1e9) // PIXELS
    pictures = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    rng = check_random_state(0)
    for start in range(0, count, ROWS_AT_ONCE):
        rows = np.arange(start, min(count, start + ROWS_AT_ONCE))
        x = np.zeros((len(rows), SIDE, SIDE), np.float32)
        x[:, 2:26, 2:26] = enlarged[rows * len(enlarged) // count]
        x = np.roll(x, (int(rng.randint(-2, 3)), int(rng.randint(-2, 3))), (1, 2))
        noisy = np.clip(x * 255 + rng.randint(0, 40, x.shape), 0, 255)
        pictures[start : start + len(rows)] = noisy
    pictures.flush()
    return count


def drop_from_page_cache(path: Path) -> None:
    """Put a file out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# -- an epoch in a process of limited memory


def measure_limited_epoch(path: Path, run_folder: Path) -> LimitedEpoch:
    """Train an epoch in a child process with a limit of memory; exits where that fails."""
    command = [sys.executable, "-m", "bench.large", "--child", str(path), str(run_folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=limit_own_memory
    )
    peak_bytes = watch_memory(process)
    output = process.communicate()[0]
    if process.returncode:
        sys.exit(output)
    seconds, nll_bound = next(
        line.split()[1:] for line in output.splitlines() if line.startswith(MARKER)
    )
    return LimitedEpoch(float(seconds), float(nll_bound), peak_bytes)


def train_in_child(path: Path, run_folder: Path) -> None:
    """Train an epoch, and print how long it took and its bound."""
    run = create_run(plan_run("vae", str(path), settings=SETTINGS), run_folder)
    started = time.perf_counter()
    list(fit(run))
    seconds = time.perf_counter() - started
    print(f"{MARKER} {seconds:.1f} {run.test_metrics()['nll_bound']:.2f}")


def limit_own_memory() -> None:
    """Set the limit before anything is imported: the budget of data in memory follows from it."""
    size = int(LIMIT * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def watch_memory(process: subprocess.Popen[str]) -> int:
    """Returns the peak of a process's anonymous memory in bytes, read ten times a second."""
    peak = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")]
        peak = max(peak, *sizes, 0)
        time.sleep(0.1)
    return peak


# -- speed, turn by turn


def measure_speeds(path: Path, folder: Path, rounds: int) -> Speeds:
    """Returns the examples a second of each way, turn by turn, after a turn to warm up."""
    os.environ["AECORE_CACHE"] = str(folder)
    os.environ["AECORE_MAX_DATA_GB"] = str(LIMIT / 4)  # as under the limit
    resident = prepare_trainer(path, folder / "a", {"data.limit": RESIDENT_EXAMPLES})
    stored = prepare_trainer(path, folder / "b", {})
    ways = {
        "resident": run_turns(resident, lambda: None),
        "from the disk, in the page cache": run_turns(stored, lambda: None),
        "from the disk, not in the page cache": run_turns(
            stored, lambda: drop_from_page_cache(path)
        ),
    }
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for round_number in range(rounds + 1):
        for way, turns in ways.items():
            speed = next(turns)
            if round_number:
                speeds[way].append(speed)
        latest = {way: round(values[-1]) for way, values in speeds.items() if values}
        print(round_number, latest, flush=True)
    return speeds


def prepare_trainer(path: Path, run_folder: Path, settings: Mapping[str, object]) -> Trainer:
    """Returns a trainer of the VAE on the file, its model in training mode."""
    config = plan_run("vae", str(path), settings={**SETTINGS, **settings})
    trainer = Trainer(create_run(config, run_folder), lambda: False, None)
    trainer.model.train()
    return trainer


def run_turns(trainer: Trainer, prepare: Callable[[], None]) -> Iterator[float]:
    """Yields the examples a second of one turn after the other, `prepare` called before each."""
    while True:
        prepare()
        batches = trainer.batches.iterate_epoch(trainer.epoch)
        next(batches)
        started, examples = time.perf_counter(), 0
        for x in islice(batches, TURN_STEPS):
            trainer.update(x, 1e-3, 1.0)
            examples += len(x)
        yield examples / (time.perf_counter() - started)
        trainer.epoch += 1


# -- the result


def format_large_result(count: int, speeds: Speeds, epoch: LimitedEpoch) -> list[str]:
    """Returns the lines of large.md."""
    return [
        "# A data set larger than memory",
        "",
        f"{count:,} pictures of 28 x 28 bytes ({count * PIXELS / 1e9:.1f} GB in one .npy, sorted "
        "by class), the VAE of `python -m aecore train vae`, batch 128. "
        f"{describe_device(torch.device('cpu'))}. Command: `python -m bench.large`.",
        "",
        f"A whole epoch, in a process with a limit of {LIMIT} GB (RLIMIT_DATA), the file not in "
        f"the page cache: **{epoch.seconds:,.0f} s**, at most "
        f"**{epoch.peak_bytes / 1e9:.2f} GB** of memory of its own; "
        f"NLL bound {epoch.nll_bound:.1f} nats.",
        "",
        f"The same steps in one process, turn by turn, {TURN_STEPS} steps a turn, "
        f"{len(speeds['resident'])} turns each:",
        "",
        "| examples are | examples a second, median | share of resident, median (least to most) |",
        "|---|---|---|",
        *(
            f"| {way} | {statistics.median(values):,.0f} "
            f"| {format_range(compute_ratios(values, speeds['resident']))} |"
            for way, values in speeds.items()
        ),
        "",
    ]


if __name__ == "__main__":
    main()
