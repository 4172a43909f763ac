"""The rows of the fidelity suite, read from docs/results/fidelity and checked before they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ui.figures import VERDICTS, Rung, Standing

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "results" / "fidelity"
COMMAND = "python -m bench.fidelity"
BADGES = {  # the icons are the symbols of the picture
    "moonshot": ":blue-badge[:material/star: moonshot]",
    "pass": ":green-badge[:material/circle: pass]",
    "miss": ":red-badge[:material/close: miss]",
    "told": ":gray-badge[:material/info: no bar]",
}
MOST_BYTES = 1_000_000
ROOM = 50  # letters of a title that a narrow screen takes

Range = tuple[float | None, float | None]  # least and most; None where that side is open


class Row(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class Check(Row):
    """One figure, what the paper has for it, and the bars it is held against."""

    what: str = Field(max_length=300)
    ours: float
    bar: Range | None
    moonshot: Range | None
    paper: float | None
    spread: float | None

    @property
    def state(self) -> str:
        """Judged anew, so that words and numbers agree; told: there is no bar."""
        if self.bar is None:
            return "told"
        if not within(self.ours, self.bar):
            return "miss"
        return "moonshot" if self.moonshot and within(self.ours, self.moonshot) else "pass"

    def place(self, value: float) -> float | None:
        """A value on the way from the bar (0) to the moonshot (1), where both point the same way.

        Below zero, by its distance in widths, where it lies outside a bar with two ends.
        """
        match self.bar, self.moonshot:
            case (None, float(bar)), (None, float(aim)) if aim < bar:
                return (value - bar) / (aim - bar)
            case (float(bar), None), (float(aim), None) if aim > bar:
                return (value - bar) / (aim - bar)
            case (float(low), float(high)), _ if high > low and not low <= value <= high:
                return -max(low - value, value - high) / (high - low)
        return None


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
    url: str = Field(pattern=r"^https://[^\s<>]+$")
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

    @property
    def link(self) -> str:
        """The paper in Markdown; a bracket in an address would end it."""
        return f"[{self.paper}]({self.url.replace('(', '%28').replace(')', '%29')})"

    @property
    def judged(self) -> list[str]:
        """The state of each figure that has a bar."""
        return [check.state for check in self.checks if check.bar]

    @property
    def verdict(self) -> str:
        """miss where a bar is missed, moonshot where every check that has one reaches it."""
        if "miss" in self.judged:
            return "miss"
        aims = [check.state for check in self.checks if check.bar and check.moonshot]
        return "moonshot" if aims and set(aims) == {"moonshot"} else "pass"

    @property
    def first(self) -> Check:
        """The figure that stands for the experiment: one that missed, else the first that can be placed or at all."""
        missed = [check for check in self.checks if check.state == "miss"]
        placed = [check for check in self.checks if check.place(check.ours) is not None]
        return (missed or placed or self.checks)[0]


def within(value: float, allowed: Range) -> bool:
    low, high = allowed
    return (low is None or low <= value) and (high is None or value <= high)


def read(folder: Path | None = None) -> tuple[list[Experiment], list[str]]:
    """Every sound row, E0 first, and a sentence for each file that is not one."""
    found, problems = [], []
    for path in sorted((folder or FOLDER).glob("E*.json")):
        try:
            found.append(parse(path))
        except (OSError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            problems.append(f"{path.name} cannot be shown ({why[:200]}). `{COMMAND} {path.stem[:9]}` makes it anew.")
    return sorted(found, key=lambda row: int(row.id[1:])), problems


def parse(path: Path) -> Experiment:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MOST_BYTES:,}")
    row = Experiment.model_validate_json(path.read_bytes())
    if row.id != path.stem:
        raise ValueError(f"it holds {row.id}")
    return row


def picture(file: str) -> Image.Image | None:
    """A picture of a row, or None where it is missing or torn."""
    try:
        with Image.open(FOLDER / file) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError):
        return None


def rungs(rows: Sequence[Experiment]) -> list[Rung]:
    """The rows as the overview picture takes them."""
    return [Rung(row.verdict, short(f"{row.id} {row.title}"), reached(row), standings(row)) for row in rows]


def standings(row: Experiment) -> list[Standing]:
    found = []
    for check in sorted(row.checks, key=lambda check: check is not row.first):  # that one is drawn large
        if (ours := check.place(check.ours)) is not None:
            paper = None if check.paper is None else check.place(check.paper)
            found.append(Standing(check.state, ours, paper, f"{row.id} {described(check)}"))
    return found


def described(check: Check) -> str:
    """A figure and what it is held against, for the pointer that rests on it."""
    paper = "" if check.paper is None else f", paper {number(check.paper)}"
    return f"{check.what}<br>ours {number(check.ours)}{paper}<br>bar {span(check.bar)}, moonshot {span(check.moonshot)}"


def short(text: str) -> str:
    return text if len(text) <= ROOM else f"{text[: ROOM - 1].rstrip()}…"


def reached(row: Experiment) -> str:
    return f"{len(row.judged) - row.judged.count('miss')} of {len(row.judged)} bars"


def overview(rows: Sequence[Experiment]) -> Any:
    """A line for each experiment, by the figure that stands for it; what a narrow screen shows comes first."""
    firsts = [row.first for row in rows]
    frame = pd.DataFrame(
        {
            "": [row.id for row in rows],
            "Verdict": [f"{VERDICTS[row.verdict][2]} {row.verdict}" for row in rows],
            "Ours": [number(check.ours) for check in firsts],
            "Paper": [number(check.paper) for check in firsts],
            "Bar": [span(check.bar) for check in firsts],
            "Time": [duration(row.seconds) for row in rows],
            "Claim": [row.title for row in rows],
            "Figure": [check.what for check in firsts],
        }
    )
    fills = [f"background-color: {VERDICTS[row.verdict][1]}44" for row in rows]
    return frame.style.apply(lambda _: fills, subset=["Verdict"])


def details(row: Experiment) -> pd.DataFrame:
    """A line for each figure of an experiment."""
    return pd.DataFrame(
        {
            "Figure": [f"{BADGES[check.state]} {check.what}" for check in row.checks],
            "Ours": [number(c.ours) + (f" ± {number(c.spread)}" if c.spread is not None else "") for c in row.checks],
            "Paper": [number(check.paper) for check in row.checks],
            "Bar": [span(check.bar) for check in row.checks],
            "Moonshot": [span(check.moonshot) for check in row.checks],
        }
    )


def number(value: float | None) -> str:
    """Digits as papers print them: 0.206, 2.86, 86.76; whole numbers as such."""
    if value is None:
        return ""
    if abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.2f}"


def span(allowed: Range | None) -> str:
    if allowed is None:
        return ""
    low, high = allowed
    if low is not None and high is not None:
        return number(low) if low == high else f"{number(low)} to {number(high)}"
    return f"≤ {number(high)}" if low is None else f"≥ {number(low)}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
