"""The rows of docs/results/fidelity: one JSON file and its pictures for each experiment."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import torch

from aecore.files import write_text_file
from aecore.training.devices import describe_device, pick_device
from bench.fidelity.experiment import Check, Experiment, Result
from bench.results import RESULTS_FOLDER, describe_commit

RESULTS = RESULTS_FOLDER / "fidelity"

Row = dict[str, Any]  # as read from JSON


def write_row(experiment: Experiment, result: Result, seconds: float) -> None:
    """Write the row of a full run and its pictures; those of an earlier run are deleted."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    row = build_row(experiment, result, seconds)
    for path in RESULTS.glob(f"{experiment.id}-*.png"):
        path.unlink()
    for described, (_, picture) in zip(row["pictures"], result.pictures, strict=True):
        picture.save(RESULTS / described["file"], optimize=True)
    write_text_file(RESULTS / f"{experiment.id}.json", json.dumps(row, indent=1) + "\n")


def list_rows() -> list[Row]:
    """Returns every row that was written, E0 first."""
    rows = [json.loads(path.read_text()) for path in RESULTS.glob("E*.json")]
    return sorted(rows, key=lambda row: int(row["id"][1:]))


def write_report(text: str) -> None:
    """Write the page of all rows, docs/results/fidelity.md."""
    write_text_file(RESULTS.with_suffix(".md"), text)


def list_result_paths() -> list[str]:
    """Returns the folder of the rows and the page of them, for git."""
    return [str(RESULTS), str(RESULTS.with_suffix(".md"))]


def build_row(experiment: Experiment, result: Result, seconds: float) -> Row:
    """Returns the row of a result, ready for JSON."""
    return {
        "id": experiment.id,
        "title": experiment.title,
        "claim": experiment.claim,
        "paper": experiment.paper,
        "url": experiment.url,
        "verdict": result.verdict,
        "checks": [build_check_row(check) for check in result.checks],
        "curves": result.curves,
        "pictures": [
            {"file": f"{experiment.id}-{i}.png", "caption": caption}
            for i, (caption, _) in enumerate(result.pictures)
        ],
        "notes": result.notes,
        "seeds": list(result.seeds),
        "seconds": round(seconds),
        "command": f"python -m bench.fidelity {experiment.id}",
        "device": describe_device(pick_device("auto")),
        "torch": torch.__version__,
        "commit": describe_commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def build_check_row(check: Check) -> Row:
    """Returns a check with its outcome, ready for JSON."""
    return {
        "what": check.label,
        "ours": check.ours,
        "bar": check.bar,
        "moonshot": check.moonshot,
        "paper": check.paper,
        "spread": check.spread,
        "passed": check.passed,
        "beyond": check.beyond,
    }
