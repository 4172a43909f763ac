"""A data set larger than memory: `python -m bench.large` writes docs/results/large.md.

4 GB of noisy MNIST-like pictures are generated as one .npy, and an epoch of them is trained in a process that may have
1.5 GB of memory of its own. Its speed is held against the same network on a part that is resident, turn by turn in one
process; then what is on the disk has been put out of the page cache first, and what is not.
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
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.devices import describe_device
from aecore.training.trainer import Trainer, fit

RESULT = Path(__file__).parent.parent / "docs" / "results" / "large.md"
GIGABYTES, LIMIT = 4.0, 1.5
SETTINGS = {
    "training.epochs": 1,
    "training.batch_size": 128,
    "training.previews": 2,
    "network.activation": "relu",
}
TURN = 400  # steps of one measurement


def generate(path: Path, gigabytes: float) -> int:
    """Digits of 28 x 28 bytes, each shifted and with noise of its own, sorted by class; how many."""
    from sklearn.datasets import load_digits
    from sklearn.utils import check_random_state

    small = load_digits().images / 16
    order = np.argsort(load_digits().target, kind="stable")
    large = np.kron(small[order], np.ones((1, 3, 3)))  # 24 x 24
    count = int(gigabytes * 1e9) // 784
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 28, 28))
    rng = check_random_state(0)
    for start in range(0, count, 50_000):
        rows = np.arange(start, min(count, start + 50_000))
        x = np.zeros((len(rows), 28, 28), np.float32)
        x[:, 2:26, 2:26] = large[rows * len(large) // count]
        x = np.roll(x, (int(rng.randint(-2, 3)), int(rng.randint(-2, 3))), (1, 2))
        out[start : start + len(rows)] = np.clip(x * 255 + rng.randint(0, 40, x.shape), 0, 255)
    out.flush()
    return count


def child(path: Path, folder: Path) -> None:
    """Train an epoch, and say how long it took."""
    config = plan_run("vae", str(path), settings=SETTINGS)
    run = create_run(config, folder)
    started = time.perf_counter()
    list(fit(run))
    print(f"RESULT {time.perf_counter() - started:.1f} {run.test_metrics()['nll_bound']:.2f}")


def bound() -> None:
    """The limit, before anything is imported: the budget of data in memory follows from it."""
    size = int(LIMIT * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def watch(process: subprocess.Popen[str]) -> int:
    """The most anonymous memory that a process has had, looked at ten times a second."""
    peak = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        peak = max(
            peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0
        )
        time.sleep(0.1)
    return peak


def trainer(name: str, folder: Path, limit: int | None = None) -> Trainer:
    settings = {**SETTINGS, **({"data.limit": limit} if limit else {})}
    made = Trainer(
        create_run(plan_run("vae", name, settings=settings), folder), lambda: False, None
    )
    made.model.train()
    return made


def turns(made: Trainer, before: Callable[[], None]) -> Iterator[float]:
    """Examples a second, of one turn after the other."""
    while True:
        before()
        batches = made.batches()
        next(batches)
        started, seen = time.perf_counter(), 0
        for x in islice(batches, TURN):
            made.update(x, 1e-3, 1.0)
            seen += len(x)
        yield seen / (time.perf_counter() - started)
        made.epoch += 1


def forget(path: Path) -> None:
    """Put a file out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    options.add_argument("--gigabytes", type=float, default=GIGABYTES)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    if chosen.child:
        child(*chosen.child)
        return
    with tempfile.TemporaryDirectory(prefix="aecore-large-") as name:
        folder = Path(name)
        path = folder / "large.npy"
        count = generate(path, chosen.gigabytes)
        print(f"{count:,} examples, {path.stat().st_size / 1e9:.2f} GB", flush=True)
        speeds = measure(path, folder, chosen.rounds)
        forget(path)
        command = [sys.executable, "-m", "bench.large", "--child", str(path), str(folder / "run")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=bound)
        peak = watch(process)
        said = process.communicate()[0]
        if process.returncode:
            sys.exit(said)
        seconds, nats = next(
            line.split()[1:] for line in said.splitlines() if line.startswith("RESULT")
        )
    text = table(count, path, speeds, peak, float(seconds), float(nats))
    RESULT.write_text(text)
    print(text)


def measure(path: Path, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Examples a second of each way, turn by turn."""
    os.environ["AECORE_CACHE"] = str(folder)
    os.environ["AECORE_MAX_DATA_GB"] = str(LIMIT / 4)  # as under the limit
    resident, stored = (
        trainer(str(path), folder / "a", limit=60_000),
        trainer(str(path), folder / "b"),
    )
    ways = {
        "resident": turns(resident, lambda: None),
        "from the disk, in the page cache": turns(stored, lambda: None),
        "from the disk, not in the page cache": turns(stored, lambda: forget(path)),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, speed in ways.items():
            value = next(speed)
            if number:
                found[way].append(value)
        print(number, {way: round(v[-1]) for way, v in found.items() if v}, flush=True)
    return found


def table(
    count: int, path: Path, speeds: dict[str, list[float]], peak: int, seconds: float, nats: float
) -> str:
    rows = []
    for way, values in speeds.items():
        shares = [value / other for value, other in zip(values, speeds["resident"], strict=True)]
        spread = f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
        rows.append(f"| {way} | {statistics.median(values):,.0f} | {spread} |")
    return "\n".join(
        [
            "# A data set larger than memory",
            "",
            f"{count:,} pictures of 28 x 28 bytes ({count * 784 / 1e9:.1f} GB in one .npy, sorted by class), the VAE "
            f"of `python -m aecore train vae`, batch 128. {describe_device(torch.device('cpu'))}. "
            "Command: `python -m bench.large`.",
            "",
            f"A whole epoch, in a process with a limit of {LIMIT} GB (RLIMIT_DATA), the file not in the page cache: "
            f"**{seconds:,.0f} s**, at most **{peak / 1e9:.2f} GB** of memory of its own; NLL bound {nats:.1f} nats.",
            "",
            f"The same steps in one process, turn by turn, {TURN} steps a turn, {len(speeds['resident'])} turns each:",
            "",
            "| examples are | examples a second, median | share of resident, median (least to most) |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
