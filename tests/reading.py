"""Reads small files as `aecore data` does, in this process, for tests of readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aecore.cli.parser import main
from aecore.data.describe import DataReport, describe_data
from aecore.data.written_files import write_data
from aecore.runs.plan import make_data_config


def read_file(path: Path, **settings: Any) -> DataReport:
    """What `aecore data` tells of a file; `settings` are fields of its DataConfig, such as
    `columns={"age": "number"}` or `side=8`. Raises DataError.
    """
    values = {f"data.{name}": value for name, value in settings.items()}
    return describe_data(make_data_config(str(path), values))


def write_read(path: Path, **settings: Any) -> Any:
    """What `--to` writes of a file: a pyarrow table, or the arrays of a .npz by their names."""
    report = read_file(path, **settings)
    out = path.with_name(f"{path.name}.read")
    out = out.with_suffix(".parquet" if report.kind == "table" else ".npz")
    write_data(report, path.name, out)
    if report.kind == "table":
        table: pa.Table = pq.read_table(out)
        return table
    with np.load(out) as arrays:
        return dict(arrays)


def run_data_command(capsys: Any, *arguments: object) -> tuple[int, dict[str, Any], str]:
    """`aecore data ARGUMENTS --json`: its status, its answer ({} where it failed), its errors."""
    status = main(["data", *map(str, arguments), "--json"])
    said = capsys.readouterr()
    return status, json.loads(said.out) if status == 0 else {}, said.err
