"""How long a detector of outliers takes to fit, beside IsolationForest: `bench.tables --detector`.

Each fit is in a process of its own, on one core, once the libraries are loaded and a small fit was
made: what a user waits for who fits several.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.results import describe_processor, format_range, write_result

ROOT = Path(__file__).parents[1]
SIZES = ((300, 5), (20_000, 16))
FITS = {
    "AutoencoderDetector": "AutoencoderDetector(random_state=0, device='cpu').fit({x})",
    "IsolationForest": "IsolationForest(random_state=0).fit({x})",
}
MEASURE = """
import time
import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from aecore import AutoencoderDetector
torch.set_num_threads(1)
x = np.random.default_rng(0).normal(size=({rows}, {columns}))
{warm}
started = time.perf_counter()
{fit}
print("SECONDS", time.perf_counter() - started)
"""


def time_detectors(turns: int) -> None:
    """Measure the fits of all sizes in turns, print them, and write their page of results."""
    lines = [
        "# Tables: fitting a detector",
        "",
        f"Made by `python -m bench.tables --detector` on {describe_processor()}: one core, each "
        "fit in a process of its own, after a small one.",
        "",
        "| rows x columns | fit | seconds |",
        "|---|---|---|",
    ]
    for rows, columns in SIZES:
        seconds: dict[str, list[float]] = {name: [] for name in FITS}
        for _ in range(turns):
            for name in FITS:
                seconds[name].append(time_fit(name, rows, columns))
        for name, values in seconds.items():
            lines.append(f"| {rows:,} x {columns} | {name} | {format_range(values)} |")
            print(lines[-1], flush=True)
    write_result("detector-times.md", [*lines, ""])


def time_fit(name: str, rows: int, columns: int) -> float:
    """Returns the seconds of one fit."""
    code = MEASURE.format(
        rows=rows,
        columns=columns,
        warm=FITS[name].format(x="x[:50]"),
        fit=FITS[name].format(x="x"),
    )
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=settings, capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    if not lines:
        raise RuntimeError(f"{name} was not fitted: {done.stderr[-2000:]}")
    return float(lines[-1].removeprefix("SECONDS"))
