"""How soon the app answers: `python -m bench.app` writes docs/results/app.md.

Search: one image encoded and compared with 60,000 codes, through the functions that the page calls.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aecore import data, metrics
from aecore.autoencoder import Autoencoder
from aecore.config import DataConfig
from aecore.runs import SHIPPED
from aecore.tasks import search
from aecore.weights import write_text
from bench.fidelity.experiment import ROOT, commit

RESULT = ROOT / "docs" / "results" / "app.md"
QUERIES = 200


def main() -> None:
    rows = [search_row(name) for name in ("mnist-vanilla", "mnist-k-sparse")]
    text = "\n".join([
        "# How soon the app answers", "",
        f"{processor()}, {torch.get_num_threads()} thread, commit {commit()}, "
        "`python -m bench.app`. Milliseconds.", "",
        "| what | p50 | p95 |", "|---|---|---|", *rows, "",
    ])  # fmt: skip
    write_text(RESULT, text)
    print(text)


def processor() -> str:
    """What the CPU calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def search_row(name: str) -> str:
    """A query of MNIST's test set among the codes of all training images."""
    model, sets = Autoencoder.load(SHIPPED / name), data.load(DataConfig(name="mnist"))
    index = search.index(metrics.encode(model, sets.train.x))

    def query(i: int) -> None:
        index.nearest(metrics.encode(model, sets.test.x[i : i + 1]), 16)

    what = f"search, {len(index.vectors):,} codes of {model.config.latent_dim} units ({name}), encoding included"
    return f"| {what} | {timed(query)} |"


def timed(call: Callable[[int], None]) -> str:
    """p50 and p95 of QUERIES calls, in milliseconds, after ten to warm up."""
    seconds = []
    for i in range(-10, QUERIES):
        started = time.perf_counter()
        call(i % QUERIES)
        if i >= 0:
            seconds.append(time.perf_counter() - started)
    cuts = statistics.quantiles(seconds, n=20)
    return f"{1000 * cuts[9]:.2f} | {1000 * cuts[18]:.2f}"


if __name__ == "__main__":
    main()
