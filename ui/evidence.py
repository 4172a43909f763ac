"""The rows of the fidelity suite, read from docs/results/fidelity and checked before they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "results" / "fidelity"
COMMAND = "python -m bench.fidelity --all"
VERDICTS = {
    "moonshot": ":material/star: better than the paper",
    "pass": ":material/check_circle: as the paper says",
    "miss": ":material/cancel: missed",
}
STATES = {"moonshot": "★ beyond", "pass": "✓ reached", "miss": "✕ missed", "told": ""}
MOST_BYTES = 1_000_000

Range = tuple[float | None, float | None]


class Row(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class Check(Row):
    """One figure and its bars, as bench.fidelity wrote it down."""

    what: str = Field(max_length=300)
    ours: float
    bar: Range | None
    moonshot: Range | None
    paper: float | None
    spread: float | None
    passed: bool
    beyond: bool

    @property
    def state(self) -> str:
        if self.bar is None:
            return "told"
        if not self.passed:
            return "miss"
        return "moonshot" if self.moonshot and self.beyond else "pass"


class Curves(Row):
    x: str = Field(max_length=100)
    y: str = Field(max_length=100)
    lines: dict[str, list[tuple[float, float]]]
    marks: dict[str, float]


class Picture(Row):
    file: str = Field(pattern=r"^E\d{1,2}-\d{1,2}\.png$")  # a name, never a path
    caption: str = Field(max_length=300)


class Experiment(Row):
    """One experiment: a claim of the literature, what was found, and how to repeat it."""

    id: str = Field(pattern=r"^E\d{1,2}$")
    title: str = Field(max_length=200)
    claim: str = Field(max_length=500)
    paper: str = Field(max_length=300)
    url: str = Field(pattern=r"^https://[^\s)]+$")
    verdict: Literal["moonshot", "pass", "miss"]
    checks: list[Check] = Field(min_length=1)
    curves: Curves | None
    pictures: list[Picture]
    notes: str
    seeds: list[int]
    seconds: float
    command: str
    device: str
    torch: str
    commit: str
    date: str


def read(folder: Path | None = None) -> tuple[list[Experiment], list[str]]:
    """Every sound row, E0 first, and a sentence for each file that is not one."""
    found, problems = [], []
    for path in (folder or FOLDER).glob("E*.json"):
        try:
            text = path.read_text(encoding="utf-8") if path.stat().st_size < MOST_BYTES else ""
            found.append(Experiment.model_validate_json(text))
        except (OSError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            problems.append(f"{path.name} cannot be shown ({why[:200]}). Run `{COMMAND}` again.")
    return sorted(found, key=lambda row: int(row.id[1:])), problems


def overview(rows: Sequence[Experiment]) -> pd.DataFrame:
    """A line for each experiment, by its first figure."""
    return pd.DataFrame(
        {
            "": [row.id for row in rows],
            "Experiment": [row.title for row in rows],
            "Verdict": [VERDICTS[row.verdict].split(": ")[1] for row in rows],
            "Figure": [row.checks[0].what for row in rows],
            "Ours": [number(row.checks[0].ours) for row in rows],
            "Paper": [number(row.checks[0].paper) for row in rows],
            "Time": [duration(row.seconds) for row in rows],
        }
    )


def details(row: Experiment) -> pd.DataFrame:
    """A line for each figure of an experiment."""
    return pd.DataFrame(
        {
            "Figure": [check.what for check in row.checks],
            "Ours": [number(c.ours) + (f" ± {number(c.spread)}" if c.spread is not None else "") for c in row.checks],
            "Paper": [number(check.paper) for check in row.checks],
            "Bar": [span(check.bar) for check in row.checks],
            "Beyond": [span(check.moonshot) for check in row.checks],
            "": [STATES[check.state] for check in row.checks],
        }
    )


def number(value: float | None) -> str:
    """Three significant digits, more where a paper prints more."""
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def span(allowed: Range | None) -> str:
    if allowed is None:
        return ""
    low, high = allowed
    if low is not None and high is not None:
        return number(low) if low == high else f"{number(low)} to {number(high)}"
    return f"≤ {number(high)}" if low is None else f"≥ {number(low)}"


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
