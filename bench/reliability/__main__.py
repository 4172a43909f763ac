"""Tries what strangers and accidents do to the lab, and counts what breaks.

    python -m bench.reliability --all [--seed N] [--reduced]
    python -m bench.reliability checkpoints uploads --cases 300:600

Results of whole parts are kept in docs/results/reliability.md as each part ends. The exit status is
1 where anything broke.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import tempfile
import time

from bench.reliability.part import Outcome, Part
from bench.reliability.report import keep_result

PARTS = (  # modules of this folder, each with a PART
    "checkpoints",
    "uploads",
    "kills",
    "servers",
    "disk",
    "visitors",
    "ten_worst",
)


def main() -> int:
    """Run the parts that the command line names; returns the exit status."""
    options = parse_arguments()
    logging.disable(logging.WARNING)  # Streamlit's, about caches without a server
    with tempfile.TemporaryDirectory(prefix="aecore-reliability-") as home:
        # read when the client of the Hub is imported, which no part has done yet
        os.environ.update(HF_HOME=home, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        return run_parts(options)


def run_parts(options: argparse.Namespace) -> int:
    """Run the parts one after the other, and keep what came of each."""
    tried = broken = 0
    for name in PARTS if options.all else options.parts:
        part: Part = importlib.import_module(f"bench.reliability.{name}").PART
        cases = options.cases or range(part.reduced if options.reduced else part.whole)
        started = time.monotonic()
        outcome = part.run(options.seed, cases)
        show_outcome(part, outcome, time.monotonic() - started)
        if not options.reduced:
            keep_result(part, outcome, options.seed, cases)
        tried, broken = tried + outcome.tried, broken + len(outcome.broken)
    print(f"sum: {tried} tried, {broken} broken")
    return 1 if broken else 0


def parse_arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), help="parts to run")
    parser.add_argument("--all", action="store_true", help="run every part")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument("--reduced", action="store_true", help="few cases of each part; for CI")
    parser.add_argument("--cases", type=parse_range, help="only cases FIRST:END of each part")
    options = parser.parse_args()
    if not options.all and not options.parts:
        parser.error("name parts, or give --all")
    return options


def parse_range(text: str) -> range:
    """Returns the range that FIRST:END describes, or one case."""
    first, _, end = text.partition(":")
    return range(int(first), int(end) if end else int(first) + 1)


def show_outcome(part: Part, outcome: Outcome, seconds: float) -> None:
    """Print what broke, then the part's line."""
    for fault in outcome.broken:
        print(f"  broken: {fault}")
    for note in outcome.notes:
        print(f"  {note}")
    peaks = [f"at most {peak:.3g} {unit}" for unit, peak in outcome.peaks.items()]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in outcome.counts.most_common())
    details = "; ".join([counts, *peaks, f"{seconds:.0f} s in all"])
    print(f"{part.name}: {outcome.summary} ({details})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
