"""A large table, read and shown once: `python -m bench.tables [--before FOLDER]`.

With --detector: how long a detector takes to fit (bench/detector_times.py).

200,000 rows of 300 numbers are written as a .csv of 390 MB. Each way reads it in a process of its
own, in turns: the page *Data* as it takes an upload and shows it, pandas' and Arrow's own readers,
and the page *Data* of another checkout. Written to docs/results/tables.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.detector_times import time_detectors
from bench.imputation import compare_imputers
from bench.results import describe_processor, format_range, write_result

ROWS, COLUMNS, TURNS = 200_000, 300, 3
ROWS_AT_ONCE = 10_000  # of the file, while it is generated
ROOT = Path(__file__).parents[1]
MARKER = "RESULT"  # of the line that a child process prints

MEASURE = """
import json, os, resource, sys, time
sys.path.insert(0, os.getcwd())
file = sys.argv[1]
{imports}
started = time.process_time()
{work}
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print("RESULT", json.dumps([seconds, peak]))
"""
PAGE_IMPORTS = """
from streamlit.testing.v1 import AppTest
import aecore.data.datasets, ui.data.bringing, ui.data.preview
from aecore.runs.uploads import create_upload
upload = create_upload()
os.link(file, upload.path / "numbers.csv")
take = (
    "import streamlit as st\\n"
    "from aecore.runs.uploads import list_uploads\\n"
    "from ui.data.bringing import accept_upload\\n"
    "if not st.session_state.get('taken'):\\n"
    "    st.session_state['taken'] = True\\n"  # accept_upload runs the page again
    "    accept_upload(list_uploads()[0])\\n"
)
"""
PAGE_WORK = """
app = AppTest.from_string(take, default_timeout=3600).run()
assert not app.exception and not app.error, [app.exception, app.error]
app = AppTest.from_file(os.path.abspath("pages/data.py"), default_timeout=3600).run()
assert not app.exception and not app.error, [app.exception, app.error]
"""
PAGE = MEASURE.format(imports=PAGE_IMPORTS, work=PAGE_WORK)


class Reading(NamedTuple):
    """What one reading took."""

    seconds: float  # of the processor
    peak: float  # GB of memory, that of the libraries included


WAYS = {
    "page Data": PAGE,
    "pandas.read_csv": MEASURE.format(imports="import pandas", work="pandas.read_csv(file)"),
    "pyarrow.csv": MEASURE.format(imports="import pyarrow.csv", work="pyarrow.csv.read_csv(file)"),
}


def main() -> None:
    """Measure all ways in turns, and write the page of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument(
        "--detector", action="store_true", help="only time the detector beside IsolationForest"
    )
    parser.add_argument("--imputer", action="store_true", help="the imputer on a long table only")
    options = parser.parse_args()
    if options.detector:
        time_detectors(options.turns)
        return
    if options.imputer:
        compare_imputers()
        return
    with tempfile.TemporaryDirectory() as folder:
        file = write_numbers(Path(folder) / "numbers.csv", options.rows)
        readings = measure_ways(file, options.before, options.turns)
        report = format_report(readings, file.stat().st_size / 1e6, options.rows)
    write_result("tables.md", report)


def write_numbers(path: Path, rows: int) -> Path:
    """Writes a .csv of normal numbers with three decimals, and names above them."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join(f"x{i}" for i in range(COLUMNS)) + "\n")
        for start in range(0, rows, ROWS_AT_ONCE):
            part = rng.normal(size=(min(ROWS_AT_ONCE, rows - start), COLUMNS))
            np.savetxt(file, part, "%.3f", ",")
    return path


def measure_ways(file: Path, before: Path | None, turns: int) -> dict[str, list[Reading]]:
    """Returns the readings of each way, one a turn."""
    ways = {name: (code, ROOT) for name, code in WAYS.items()}
    if before is not None:
        ways["page Data before"] = (PAGE, before.resolve())
    readings: dict[str, list[Reading]] = {name: [] for name in ways}
    for turn in range(turns):
        for name, (code, folder) in ways.items():
            readings[name].append(read_once(code, folder, file))
            print(f"turn {turn + 1}, {name}: {readings[name][-1]}", flush=True)
    return readings


def read_once(code: str, folder: Path, file: Path) -> Reading:
    """Runs a way in a process of its own, in the folder of its checkout."""
    with tempfile.TemporaryDirectory(dir=file.parent) as runs:
        settings = {**os.environ, "AECORE_RUNS": runs}
        command = [sys.executable, "-c", code, str(file)]
        done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARKER)]
    if not lines:
        raise RuntimeError(f"{folder} read nothing: {done.stderr[-2000:]}")
    return Reading(*json.loads(lines[-1].removeprefix(MARKER)))


def format_report(readings: Mapping[str, list[Reading]], megabytes: float, rows: int) -> list[str]:
    """Returns the page of results."""
    lines = [
        "# Tables: read once",
        "",
        f"Made by `python -m bench.tables` on {describe_processor()}: {rows:,} rows of {COLUMNS} "
        f"numbers, a .csv of {megabytes:.0f} MB, each way in a process of its own, in turns. "
        "The page *Data* guesses how the file is read, reads it, and shows it.",
        "",
        "| way | seconds of the processor | GB of memory at most |",
        "|---|---|---|",
    ]
    for name, values in readings.items():
        seconds = format_range([value.seconds for value in values])
        peaks = format_range([value.peak for value in values])
        lines.append(f"| {name} | {seconds} | {peaks} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
