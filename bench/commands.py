"""Seconds and memory of help, lists and usage errors; a part of `python -m bench.speed`.

By itself, `python -m bench.commands [--before FOLDER]` prints the figures and writes nothing.
FOLDER is another checkout of the project, whose commands are run in turns with those of this one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.results import PROJECT
from bench.timing import repeat_in_turns

COMMANDS = (
    ("--help",),
    ("train", "--help"),
    ("variants",),
    ("data",),
    ("runs",),
    ("train",),
    ("train", "vea"),
    ("evaluate", "nowhere"),
)
COMMAND_TURNS = 7
# `python -m aecore`, which says in the end how much memory it had at most: that of this process
# alone, where the system's own figure counts what the process had before it began anew
MEASURED = """
import atexit, re, runpy, sys

def report():
    with open("/proc/self/status") as status:
        print(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1], file=sys.stderr)

atexit.register(report)
runpy.run_module("aecore", run_name="__main__", alter_sys=True)
"""


def measure_commands(before: Path | None, turns: int = COMMAND_TURNS) -> str:
    """Returns a section of Markdown: seconds and memory of each command, in each checkout."""
    folders = {**({"before": before} if before else {}), "now": PROJECT}
    heads = "".join(f" {name}, s | {name}, MB |" for name in folders)
    lines = [f"| command |{heads}", "|---" * (2 * len(folders) + 1) + "|"]
    with tempfile.TemporaryDirectory() as runs:
        for command in COMMANDS:
            ways = {
                name: partial(time_command, folder, command, runs)
                for name, folder in folders.items()
            }
            cells = map(format_medians, repeat_in_turns(ways, turns).values())
            lines.append(f"| `aecore {' '.join(command)}` | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return "\n".join(
        [
            "## Commands that compute nothing",
            "",
            f"From start to end of a process, and the most memory it had: medians of {turns} "
            "turns, with the shipped runs.",
            "",
            *lines,
        ]
    )


def time_command(folder: Path, command: tuple[str, ...], runs: str) -> tuple[float, float]:
    """Returns the seconds and the megabytes of one call, in a checkout."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        cwd=folder,
        env={**os.environ, "AECORE_RUNS": runs},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    return seconds, int(done.stderr.split()[-1]) / 1024


def format_medians(values: list[tuple[float, float]]) -> str:
    """Returns two cells: the median seconds and megabytes."""
    seconds, megabytes = (statistics.median(part) for part in zip(*values, strict=True))
    return f"{seconds:.2f} | {megabytes:.0f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.commands")
    parser.add_argument("--before", type=Path, help="another checkout of the project")
    print(measure_commands(parser.parse_args().before))


if __name__ == "__main__":
    main()
