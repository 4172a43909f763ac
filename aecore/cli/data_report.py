"""The command `data FILE`: what a file holds, and how it is read."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

from aecore.cli.foreground import print_progress
from aecore.cli.given_files import explain_any_error, open_files
from aecore.cli.output import print_rows
from aecore.cli.settings import parse_setting
from aecore.data.describe import DataReport, describe_data
from aecore.data.raw import format_count
from aecore.data.written_files import WRITTEN_SUFFIXES, write_data
from aecore.errors import ConfigError
from aecore.names import clean_name
from aecore.runs.plan import DATA_PREFIX, make_data_config

SHOWN_COLUMNS = 100
LISTED_CLASSES = 12
NOUNS = {"table": "row", "images": "picture", "rows": "row"}


def describe_files(options: argparse.Namespace) -> None:
    """Reads the files, tells what they hold, and writes that again where it is asked for."""
    settings = dict(parse_setting(text) for text in options.set)
    for name in settings:
        if not name.startswith(DATA_PREFIX):
            raise ConfigError(f"{name} is no setting of data. Give --set data.KEY=VALUE.")
    if options.to is not None and options.to.suffix.lower() not in WRITTEN_SUFFIXES:
        raise ConfigError(
            f"{options.to.name} has the wrong ending for what is in {Path(options.files[0]).name}: "
            "give a file that ends in .parquet for a table, in .npz for pictures and rows."
        )
    with warnings.catch_warnings(), open_files(options.files) as source:
        warnings.simplefilter("ignore")  # of libraries; what matters is in the notes
        with explain_any_error(options.files[0]):
            report = describe_data(make_data_config(source, settings), print_progress)
            if options.to is not None:
                write_data(report, Path(source).name, options.to)
    if options.json:
        print(json.dumps(report.to_json()))
    else:
        print_report(report, Path(source).name, options.to)


def print_report(report: DataReport, name: str, out: Path | None) -> None:
    """Prints what a file holds: a sentence, its columns, its classes and its notes."""
    print(f"{name}: {describe_content(report)}")
    if report.columns:
        print()
        print_columns(report)
    if report.classes:
        more = " ..." if len(report.classes) > LISTED_CLASSES else ""
        shown = ", ".join(clean_name(name, 30) for name in report.classes[:LISTED_CLASSES])
        print(f"\nClasses ({len(report.classes):,}): {shown}{more}")
    if report.notes:
        print("\n" + "\n".join(f"- {note}" for note in report.notes))
    if out is not None:
        print(f"\nWritten to {out}")


def describe_content(report: DataReport) -> str:
    """Returns how many examples of which shape there are, as a sentence."""
    examples = format_count(report.examples, NOUNS[report.kind])
    if report.kind == "table":
        columns = format_count(len(report.columns), "column")
        return f"a table of {examples} and {columns}, of which {report.shape[0]} values are inputs."
    shape = " x ".join(map(str, report.shape))
    return f"{examples} of {shape}" + (" values." if len(report.shape) == 1 else ".")


def print_columns(report: DataReport) -> None:
    """Prints a line for each column: how it is read, its missing cells, an example, a note."""
    rows = [
        {
            "column": clean_name(column.name, 30),
            "read as": column.kind,
            "missing": column.missing or "",
            "example": clean_name(column.example, 30),
            "note": column.note,
        }
        for column in report.columns[:SHOWN_COLUMNS]
    ]
    print_rows(rows, False)
    if len(report.columns) > SHOWN_COLUMNS:
        print(f"... and {len(report.columns) - SHOWN_COLUMNS:,} more: --json has them all.")
