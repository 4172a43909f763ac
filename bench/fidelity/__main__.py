"""Run experiments: `python -m bench.fidelity E3 E4`, `--all` (hours), or `--quick` (minutes, embedded data).

Full runs keep their run folders under $AECORE_RUNS (checkpoints/), so that a killed one goes on where it was, and
write a row to docs/results/fidelity; --commit also commits each row as it ends. --table only makes the page anew.
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

from aecore.runs.listing import runs_folder
from bench.fidelity.experiment import RESULTS, ROOT, Check, Experiment, Lab, Result, write
from bench.fidelity.report import figure, table

FILES = sorted(Path(__file__).parent.glob("e[0-9]*.py"))
MODULES = {f"E{int(path.stem[1:3])}": path.stem for path in FILES}  # E4: e04_vae


def load(name: str) -> Experiment:
    return importlib.import_module(f"bench.fidelity.{MODULES[name]}").EXPERIMENT  # type: ignore[no-any-return]


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m bench.fidelity", description=__doc__)
    options.add_argument(
        "names", nargs="*", type=str.upper, choices=[*MODULES, []], metavar="E0..E12"
    )
    options.add_argument("--all", action="store_true", help="every experiment")
    options.add_argument(
        "--quick", action="store_true", help="reduced versions on embedded data; nothing is written"
    )
    options.add_argument("--commit", action="store_true", help="commit each row as it ends")
    options.add_argument(
        "--table",
        action="store_true",
        help="only write docs/results/fidelity.md from the rows kept",
    )
    chosen = options.parse_args(arguments)
    names = list(MODULES) if chosen.all or (chosen.quick and not chosen.names) else chosen.names
    if not names and not chosen.table:
        options.error(f"name experiments ({', '.join(MODULES)}), or give --all, --quick or --table")
    if (
        chosen.quick
    ):  # small models: a second thread costs more than it gives, most of all on a busy machine
        torch.set_num_threads(1)
    missed = [
        name
        for name in names
        if not (quick(load(name)) if chosen.quick else full(load(name), chosen.commit))
    ]
    if not chosen.quick:
        table()
    print(f"Missed: {', '.join(missed)}" if missed else "All reached their bars.")
    return 1 if missed and chosen.quick else 0


def quick(experiment: Experiment) -> bool:
    """The reduced version, in a folder that goes away; an error is a miss, so that the others still run."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = experiment.quick(Lab(experiment.id, Path(folder)))
        except Exception:
            traceback.print_exc()
            print(f"{experiment.id} MISS: it could not be run")
            return False
    report(experiment, result, time.perf_counter() - started)
    return result.verdict != "miss"


def full(experiment: Experiment, keep: bool) -> bool:
    print(f"{experiment.id} {experiment.title}", flush=True)
    lab = Lab(experiment.id, runs_folder() / "fidelity")
    result = experiment.full(lab)
    seconds = lab.total_seconds()
    write(experiment, result, seconds)
    table()
    report(experiment, result, seconds)
    if keep:
        paths = [str(RESULTS), str(RESULTS.with_suffix(".md"))]
        message = f"Fidelity {experiment.id}: {result.verdict}"
        subprocess.run(["git", "add", *paths], cwd=ROOT, check=True)
        subprocess.run(
            ["git", "commit", "-qm", message, "--", *paths], cwd=ROOT, check=False
        )  # none if nothing changed
    return result.verdict != "miss"


def report(experiment: Experiment, result: Result, seconds: float) -> None:
    print(f"{experiment.id} {experiment.title}: {result.verdict.upper()} ({seconds:.0f} s)")
    for check in result.checks:
        print(f"    {mark(check)} {check.what}: {figure(check.ours)}  {wanted(check)}")
    sys.stdout.flush()


def mark(check: Check) -> str:
    if check.bar is None:
        return "   "
    return "ok " if check.passed else "BAD"


def wanted(check: Check) -> str:
    from bench.fidelity.report import span

    paper = "" if check.paper is None else f"paper {figure(check.paper)}, "
    return f"({paper}bar {span(check.bar)}{'' if check.moonshot is None else f', moonshot {span(check.moonshot)}'})"


if __name__ == "__main__":
    sys.exit(main())
