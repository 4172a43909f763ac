"""Run experiments: `python -m bench.fidelity E3 E4`, `--all` (hours), or `--quick` (minutes).

Quick versions use embedded data. Full runs keep their run folders under $AECORE_RUNS
(checkpoints/), so that one that was killed continues where it was, and write a row to
docs/results/fidelity; --commit also commits each row as it ends. --table only makes the page anew.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from aecore.errors import AecoreError
from aecore.runs.listing import runs_folder
from bench.fidelity.experiment import Check, Experiment, Lab, Result
from bench.fidelity.report import format_bar, format_figure, write_fidelity_page
from bench.fidelity.rows import list_result_paths, write_row
from bench.results import PROJECT

FILES = sorted(Path(__file__).parent.glob("e[0-9]*.py"))
MODULES = {f"E{int(path.stem[1:3])}": path.stem for path in FILES}  # E4: e04_vae


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiments that are named; returns 1 where a quick one misses a bar."""
    parser = build_fidelity_parser()
    options = parser.parse_args(arguments)
    every_one = options.all or (options.quick and not options.names)
    names = list(MODULES) if every_one else options.names
    if not names and not options.table:
        parser.error(f"name experiments ({', '.join(MODULES)}), or give --all, --quick or --table")
    if options.quick:
        torch.set_num_threads(1)  # small models: a second thread costs more than it gives
        missed = [name for name in names if not run_quick_experiment(load_experiment(name))]
    else:
        missed = run_full_experiments(names, options.commit)
        write_fidelity_page()
    print(f"Missed: {', '.join(missed)}" if missed else "All reached their bars.")
    return 1 if missed and options.quick else 0


def build_fidelity_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fidelity", description=__doc__)
    parser.add_argument(
        "names", nargs="*", type=str.upper, choices=[*MODULES, []], metavar="E0..E14"
    )
    parser.add_argument("--all", action="store_true", help="every experiment")
    parser.add_argument(
        "--quick", action="store_true", help="reduced versions on embedded data; nothing is written"
    )
    parser.add_argument("--commit", action="store_true", help="commit each row as it ends")
    parser.add_argument(
        "--table",
        action="store_true",
        help="only write docs/results/fidelity.md from the rows kept",
    )
    return parser


def load_experiment(name: str) -> Experiment:
    """Returns the experiment of a name such as E3."""
    return importlib.import_module(f"bench.fidelity.{MODULES[name]}").EXPERIMENT


def run_quick_experiment(experiment: Experiment) -> bool:
    """Run the reduced version in a temporary folder; returns True where it reaches its bars.

    An error counts as a miss, so that the others still run.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = experiment.run_quick(Lab(experiment.id, Path(folder)))
        except Exception:
            traceback.print_exc()
            print(f"{experiment.id} MISS: it could not be run")
            return False
    print_result(experiment, result, time.perf_counter() - started)
    return result.verdict != "miss"


def run_full_experiments(names: Sequence[str], commit_rows: bool) -> list[str]:
    """Run experiments in full, and return the names of those that miss a bar.

    Exits with one sentence where data are not there: it says where they were looked for.
    """
    try:
        return [
            name for name in names if not run_full_experiment(load_experiment(name), commit_rows)
        ]
    except AecoreError as error:
        raise SystemExit(str(error)) from None


def run_full_experiment(experiment: Experiment, commit_row: bool) -> bool:
    """Run an experiment in full and write its row; returns True where it reaches its bars."""
    print(f"{experiment.id} {experiment.title}", flush=True)
    lab = Lab(experiment.id, runs_folder() / "fidelity")
    result = experiment.run_full(lab)
    seconds = lab.total_seconds()
    write_row(experiment, result, seconds)
    write_fidelity_page()
    print_result(experiment, result, seconds)
    if commit_row:
        commit_results(f"Fidelity {experiment.id}: {result.verdict}")
    return result.verdict != "miss"


def commit_results(message: str) -> None:
    """Commit the rows and their page; nothing happens where they did not change."""
    paths = list_result_paths()
    subprocess.run(["git", "add", *paths], cwd=PROJECT, check=True)
    subprocess.run(["git", "commit", "-qm", message, "--", *paths], cwd=PROJECT, check=False)


def print_result(experiment: Experiment, result: Result, seconds: float) -> None:
    """Print the verdict, and a line for each check."""
    print(f"{experiment.id} {experiment.title}: {result.verdict.upper()} ({seconds:.0f} s)")
    for check in result.checks:
        figure = format_figure(check.ours)
        print(f"    {mark_check(check)} {check.label}: {figure}  {describe_bars(check)}")
    sys.stdout.flush()


def mark_check(check: Check) -> str:
    """Returns ok or BAD, and spaces for a check without a bar."""
    if check.bar is None:
        return "   "
    return "ok " if check.passed else "BAD"


def describe_bars(check: Check) -> str:
    """Returns the paper's figure and the bars in brackets."""
    paper = "" if check.paper is None else f"paper {format_figure(check.paper)}, "
    moonshot = "" if check.moonshot is None else f", moonshot {format_bar(check.moonshot)}"
    return f"({paper}bar {format_bar(check.bar)}{moonshot})"


if __name__ == "__main__":
    sys.exit(main())
