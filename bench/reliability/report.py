"""docs/results/reliability.md, written again from the kept rows as each part ends."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from aecore.files import write_text_file
from bench.reliability.part import Outcome, Part
from bench.results import RESULTS_FOLDER, describe_commit, describe_processor

ROWS_FOLDER = RESULTS_FOLDER / "reliability"  # a file for each part
INTRODUCTION = (
    "Made by `python -m bench.reliability --all`. Every draw comes from the seed: a case that "
    "broke can be tried again by its number, `python -m bench.reliability PART --cases NUMBER`. "
    "*Broken* is an exception that is no sentence for people, a case that computes or waits for "
    "more than 20 s, more than 1.5 GB of memory, anything written outside the case's own folder, "
    "and whatever the part itself says."
)
Sitting = dict[str, Any]


def keep_result(part: Part, outcome: Outcome, seed: int, cases: range) -> None:
    """Keeps what came of some cases of a part, and writes the page again."""
    sitting: Sitting = {
        "first": cases.start,
        "end": cases.stop,
        "seed": seed,
        "tried": outcome.tried,
        "broken": outcome.broken,
        "counts": dict(outcome.counts),
        "notes": outcome.notes,
        "peaks": outcome.peaks,
        "commit": describe_commit(),
        "processor": describe_processor(),
    }
    others = [row for row in read_sittings(part.name) if row["seed"] == seed]
    kept = [row for row in others if row["end"] <= cases.start or row["first"] >= cases.stop]
    rows = sorted([*kept, sitting], key=lambda row: row["first"])
    ROWS_FOLDER.mkdir(parents=True, exist_ok=True)
    write_text_file(ROWS_FOLDER / f"{part.name}.json", json.dumps(rows, indent=1) + "\n")
    write_page()


def read_sittings(name: str) -> list[Sitting]:
    """Returns the kept rows of a part, none where it was not run yet."""
    file = ROWS_FOLDER / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else []


def write_page() -> None:
    """Writes docs/results/reliability.md: a summary, then what each part tries."""
    from bench.reliability.__main__ import PARTS

    rows = {name: kept for name in PARTS if (kept := read_sittings(name))}
    parts = [importlib.import_module(f"bench.reliability.{name}").PART for name in rows]
    lines = ["# Reliability: what strangers and accidents do", "", INTRODUCTION, ""]
    lines += ["| part | tried | broken | of these | seed | commit |", "|---|---|---|---|---|---|"]
    lines += [format_part(part, rows[part.name]) for part in parts]
    for part in parts:
        lines += ["", f"## {part.name}", "", part.text, "", *format_details(rows[part.name])]
    write_text_file(RESULTS_FOLDER / "reliability.md", "\n".join(lines).rstrip() + "\n")


def format_part(part: Part, rows: Sequence[Sitting]) -> str:
    """Returns a part's row of the summary."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row["counts"])
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    tried, broken = sum(row["tried"] for row in rows), sum(len(row["broken"]) for row in rows)
    commits = " ".join(dict.fromkeys(row["commit"] for row in rows))
    return f"| {part.name} | {tried} | {broken} | {verdicts} | {rows[0]['seed']} | {commits} |"


def format_details(rows: Sequence[Sitting]) -> list[str]:
    """Returns the notes of a part, and what broke."""
    notes = list(dict.fromkeys(note for row in rows for note in row["notes"]))
    for unit in dict.fromkeys(unit for row in rows for unit in row["peaks"]):
        peak = max(row["peaks"].get(unit, 0.0) for row in rows)
        notes.append(f"At most {peak:.3g} {unit} a case.")
    faults = [f"- Broken: {fault}" for row in rows for fault in row["broken"]]
    processors = " and ".join(dict.fromkeys(row["processor"] for row in rows))
    return [*(f"- {note}" for note in notes), *faults, f"- On {processors}."]
