"""Reads small files as `aecore data` does, in this process, for tests of readers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from aecore.cli.parser import main
from aecore.data.describe import DataReport, describe_data
from aecore.data.written_files import write_data
from aecore.runs.plan import make_data_config

CURE = (
    r"\b(Choose|Copy|Correct|Fill|Give|Keep|Make|Name|Replace|Save|Set|Take|Unpack|Write"
    r"|leave|set|export|put|save)\b"
)


def read_file(path: Path, **settings: Any) -> DataReport:
    """What `aecore data` tells of a file; `settings` are fields of its DataConfig, such as
    `columns={"age": "number"}` or `side=8`. Raises DataError.
    """
    values = {f"data.{name}": value for name, value in settings.items()}
    return describe_data(make_data_config(str(path), values))


def write_read(path: Path, **settings: Any) -> Any:
    """What `--to` writes of a file: a pyarrow table, or the arrays of a .npz by their names."""
    return read_and_write(path, **settings)[1]


def read_and_write(path: Path, **settings: Any) -> tuple[DataReport, Any]:
    """What `aecore data` tells of a file, and what `--to` writes of it, as `write_read` does."""
    report = read_file(path, **settings)
    out = path.with_name(f"{path.name}.read")
    out = out.with_suffix(".parquet" if report.kind == "table" else ".npz")
    write_data(report, path.name, out)
    if report.kind == "table":
        return report, pq.read_table(out)
    with np.load(out) as arrays:
        return report, dict(arrays)


def join_all_notes(report: DataReport) -> str:
    """All that is said of a file and of its columns."""
    return " ".join([*report.notes, *(f"{c.name}: {c.note}" for c in report.columns if c.note)])


def check_refusal(capsys: Any, words: str, *arguments: object) -> None:
    """Hold the refusal of `aecore data ARGUMENTS` against words: one line with what to do."""
    status, _, said = run_data_command(capsys, *arguments)
    assert status == 1 and len(said.splitlines()) == 1 and said.startswith("aecore: "), said
    assert re.search(words, said), said
    assert Path(str(arguments[0])).name in said and re.search(CURE, said), said


def run_data_command(capsys: Any, *arguments: object) -> tuple[int, dict[str, Any], str]:
    """`aecore data ARGUMENTS --json`: its status, its answer ({} where it failed), its errors."""
    status = main(["data", *map(str, arguments), "--json"])
    said = capsys.readouterr()
    return status, json.loads(said.out) if status == 0 else {}, said.err
