"""Write result files; describe the commit, the processor and the spread of times in them."""

from __future__ import annotations

import contextlib
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from aecore.files import write_text_file

PROJECT = Path(__file__).resolve().parent.parent
RESULTS_FOLDER = PROJECT / "docs" / "results"


def write_result(file_name: str, lines: Sequence[str]) -> None:
    """Write the lines of a result to docs/results, and print them."""
    text = "\n".join(lines)
    write_text_file(RESULTS_FOLDER / file_name, text)
    print(text)


def describe_commit() -> str:
    """Returns the commit that the code is at, with a + where files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"


def describe_processor() -> str:
    """Returns the model name of the CPU."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def compute_ratios(times: Sequence[float], others: Sequence[float]) -> list[float]:
    """Returns time / other for each turn; both lists have one value per turn."""
    return [time / other for time, other in zip(times, others, strict=True)]


def compute_percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Returns the median and the 95th percentile."""
    cuts = statistics.quantiles(values, n=20)
    return cuts[9], cuts[18]


def format_range(values: Sequence[float], separator: str = " to ") -> str:
    """Returns the median with the minimum and the maximum, such as "1.20 (1.10 to 1.35)"."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.2f} ({low:.2f}{separator}{high:.2f})"
