"""The rows of the fidelity suite as the Evidence page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ui.evidence.charts import VERDICT_COLOURS, Rung, Standing
from ui.evidence.experiments import Bounds, EvidenceCheck, Experiment

VERDICT_BADGES = {  # the icons are the symbols of the picture
    "moonshot": ":blue-badge[:material/star: moonshot]",
    "pass": ":green-badge[:material/circle: pass]",
    "miss": ":red-badge[:material/close: miss]",
    "told": ":gray-badge[:material/info: no bar]",
}
LABEL_ROOM = 50  # letters of a title that a narrow screen takes


def make_rungs(rows: Sequence[Experiment]) -> list[Rung]:
    """The rows as the overview picture takes them."""
    return [
        Rung(
            row.verdict,
            shorten_title(f"{row.id} {row.title}"),
            count_reached(row),
            make_standings(row),
        )
        for row in rows
    ]


def make_standings(row: Experiment) -> list[Standing]:
    found = []
    for check in sorted(
        row.checks, key=lambda check: check is not row.first
    ):  # that one is drawn large
        if (ours := check.place(check.ours)) is not None:
            paper = None if check.paper is None else check.place(check.paper)
            found.append(Standing(check.state, ours, paper, f"{row.id} {describe_check(check)}"))
    return found


def describe_check(check: EvidenceCheck) -> str:
    """A figure and what it is held against, for the pointer that rests on it."""
    paper = "" if check.paper is None else f", paper {format_figure(check.paper)}"
    return f"{check.what}<br>ours {format_figure(check.ours)}{paper}<br>bar {format_bounds(check.bar)}, moonshot {format_bounds(check.moonshot)}"


def shorten_title(text: str) -> str:
    return text if len(text) <= LABEL_ROOM else f"{text[: LABEL_ROOM - 1].rstrip()}…"


def count_reached(row: Experiment) -> str:
    return f"{len(row.judged) - row.judged.count('miss')} of {len(row.judged)} bars"


def tabulate_overview(rows: Sequence[Experiment]) -> Any:
    """A line for each experiment, by the figure that stands for it; what a narrow screen shows comes first."""
    firsts = [row.first for row in rows]
    frame = pd.DataFrame(
        {
            "": [row.id for row in rows],
            "Verdict": [f"{VERDICT_COLOURS[row.verdict][2]} {row.verdict}" for row in rows],
            "Ours": [format_figure(check.ours) for check in firsts],
            "Paper": [format_figure(check.paper) for check in firsts],
            "Bar": [format_bounds(check.bar) for check in firsts],
            "Time": [format_duration(row.seconds) for row in rows],
            "Claim": [row.title for row in rows],
            "Figure": [check.what for check in firsts],
        }
    )
    fills = [f"background-color: {VERDICT_COLOURS[row.verdict][1]}44" for row in rows]
    return frame.style.apply(lambda _: fills, subset=["Verdict"])


def tabulate_details(row: Experiment) -> pd.DataFrame:
    """A line for each figure of an experiment."""
    return pd.DataFrame(
        {
            "Figure": [f"{VERDICT_BADGES[check.state]} {check.what}" for check in row.checks],
            "Ours": [
                format_figure(c.ours)
                + (f" ± {format_figure(c.spread)}" if c.spread is not None else "")
                for c in row.checks
            ],
            "Paper": [format_figure(check.paper) for check in row.checks],
            "Bar": [format_bounds(check.bar) for check in row.checks],
            "Moonshot": [format_bounds(check.moonshot) for check in row.checks],
        }
    )


def format_figure(value: float | None) -> str:
    """Digits as papers print them: 0.206, 2.86, 86.76; whole numbers as such."""
    if value is None:
        return ""
    if abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.2f}"


def format_bounds(allowed: Bounds | None) -> str:
    if allowed is None:
        return ""
    low, high = allowed
    if low is not None and high is not None:
        return (
            format_figure(low) if low == high else f"{format_figure(low)} to {format_figure(high)}"
        )
    return f"≤ {format_figure(high)}" if low is None else f"≥ {format_figure(low)}"


def format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
