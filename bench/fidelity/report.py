"""Write docs/results/fidelity.md from the rows in docs/results/fidelity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.fidelity.rows import Row, list_rows, write_report

VERDICTS = {"moonshot": "**moonshot**", "pass": "pass", "miss": "MISS"}
INTRODUCTION = (
    "Made by `python -m bench.fidelity`; every figure was measured by the command in its section, "
    "at the commit named there. SE is the squared error summed over features, mean over examples; "
    "likelihoods are in nats per example. "
    "*pass*: every bar is reached. *moonshot*: so is every higher bar."
)


def write_fidelity_page() -> None:
    """Write docs/results/fidelity.md: a summary of all rows, then a section for each."""
    rows = list_rows()
    lines = [
        "# Fidelity: each variant against its paper",
        "",
        INTRODUCTION,
        "",
        "| | experiment | first figure | ours | paper | bar | verdict | time | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
        *(format_summary(row) for row in rows),
        "",
        *(line for row in rows for line in format_experiment(row)),
    ]
    write_report("\n".join(lines))


def format_summary(row: Row) -> str:
    """Returns an experiment's row of the first table, with its first check."""
    check = row["checks"][0]
    cells = [
        row["id"],
        row["title"],
        check["what"],
        format_value_and_spread(check),
        format_figure(check["paper"]),
        format_bar(check["bar"]),
        VERDICTS[row["verdict"]],
        format_seconds(row["seconds"]),
        ", ".join(map(str, row["seeds"])),
    ]
    return f"| {' | '.join(cells)} |"


def format_experiment(row: Row) -> list[str]:
    """Returns the lines of an experiment's section."""
    return [
        f"## {row['id']} {row['title']}: {row['verdict']}",
        "",
        f"{row['claim']} ([{row['paper']}]({row['url']}))",
        "",
        "| figure | ours | paper | bar | moonshot | |",
        "|---|---|---|---|---|---|",
        *(format_check(check) for check in row["checks"]),
        "",
        *([row["notes"], ""] if row["notes"] else []),
        f"`{row['command']}`, {format_seconds(row['seconds'])} on {row['device']}, "
        f"torch {row['torch']}, commit {row['commit']}, {row['date']}.",
        "",
        *(f"![{picture['caption']}](fidelity/{picture['file']})\n" for picture in row["pictures"]),
    ]


def format_check(check: Mapping[str, Any]) -> str:
    """Returns a check's row of the table in its experiment's section."""
    cells = [
        check["what"],
        format_value_and_spread(check),
        format_figure(check["paper"]),
        format_bar(check["bar"]),
        format_bar(check["moonshot"]),
        name_outcome(check),
    ]
    return f"| {' | '.join(cells)} |"


def name_outcome(check: Mapping[str, Any]) -> str:
    """Returns missed, reached or moonshot; nothing for a check without a bar."""
    if check["bar"] is None:
        return ""
    if not check["passed"]:
        return "missed"
    return "moonshot" if check["moonshot"] and check["beyond"] else "reached"


def format_value_and_spread(check: Mapping[str, Any]) -> str:
    """Returns our figure, with its standard deviation where there is one."""
    value = format_figure(check["ours"])
    return value if check["spread"] is None else f"{value} ± {format_figure(check['spread'])}"


def format_figure(value: float | None) -> str:
    """Returns a number at the precision at which papers print theirs; nothing for None."""
    if value is None:
        return ""
    if abs(value) < 10:
        return f"{value:.4g}"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"


def format_bar(bar: Sequence[float | None] | None) -> str:
    """Returns the range of a bar, such as "≤ 3.3"; nothing for None."""
    if bar is None:
        return ""
    low, high = bar
    if low is None:
        return f"≤ {format_figure(high)}"
    if high is None:
        return f"≥ {format_figure(low)}"
    return f"{format_figure(low)} to {format_figure(high)}"


def format_seconds(seconds: float) -> str:
    """Returns a duration in seconds, or from two minutes on in minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
