"""From the rows in docs/results/fidelity to docs/results/fidelity.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aecore.files import write_text_file
from bench.fidelity.experiment import RESULTS

VERDICTS = {"moonshot": "**moonshot**", "pass": "pass", "miss": "MISS"}


def rows() -> list[dict[str, Any]]:
    """Every row that was kept, E0 first."""
    return sorted(
        (json.loads(p.read_text()) for p in RESULTS.glob("E*.json")),
        key=lambda kept: int(kept["id"][1:]),
    )


def table() -> None:
    """Write docs/results/fidelity.md."""
    kept = rows()
    text = [
        "# Fidelity: each variant against its paper",
        "",
        "Made by `python -m bench.fidelity`; every figure was measured by the command in its section, at the commit "
        "named there. SE is the squared error summed over features, mean over examples; likelihoods are in nats per "
        "example. *pass*: every bar is reached. *moonshot*: so is every higher bar.",
        "",
        "| | experiment | first figure | ours | paper | bar | verdict | time | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
        *(summary(one) for one in kept),
        "",
        *(line for one in kept for line in section(one)),
    ]
    write_text_file(RESULTS.with_suffix(".md"), "\n".join(text))


def summary(kept: Mapping[str, Any]) -> str:
    first = kept["checks"][0]
    cells = [
        kept["id"],
        kept["title"],
        first["what"],
        with_spread(first),
        figure(first["paper"]),
        span(first["bar"]),
        VERDICTS[kept["verdict"]],
        duration(kept["seconds"]),
        ", ".join(map(str, kept["seeds"])),
    ]
    return f"| {' | '.join(cells)} |"


def section(kept: Mapping[str, Any]) -> list[str]:
    return [
        f"## {kept['id']} {kept['title']}: {kept['verdict']}",
        "",
        f"{kept['claim']} ([{kept['paper']}]({kept['url']}))",
        "",
        "| figure | ours | paper | bar | moonshot | |",
        "|---|---|---|---|---|---|",
        *(line(check) for check in kept["checks"]),
        "",
        *([kept["notes"], ""] if kept["notes"] else []),
        f"`{kept['command']}`, {duration(kept['seconds'])} on {kept['device']}, torch {kept['torch']}, "
        f"commit {kept['commit']}, {kept['date']}.",
        "",
        *(f"![{picture['caption']}](fidelity/{picture['file']})\n" for picture in kept["pictures"]),
    ]


def line(check: Mapping[str, Any]) -> str:
    state = "" if check["bar"] is None else "missed" if not check["passed"] else "reached"
    if state == "reached" and check["moonshot"] and check["beyond"]:
        state = "moonshot"
    cells = [
        check["what"],
        with_spread(check),
        figure(check["paper"]),
        span(check["bar"]),
        span(check["moonshot"]),
        state,
    ]
    return f"| {' | '.join(cells)} |"


def with_spread(check: Mapping[str, Any]) -> str:
    return figure(check["ours"]) + (
        "" if check["spread"] is None else f" ± {figure(check['spread'])}"
    )


def figure(value: float | None) -> str:
    """A number at the precision at which papers print theirs."""
    if value is None:
        return ""
    return (
        f"{value:.4g}"
        if abs(value) < 10
        else f"{value:.2f}"
        if abs(value) < 1000
        else f"{value:.0f}"
    )


def span(allowed: Sequence[float | None] | None) -> str:
    if allowed is None:
        return ""
    low, high = allowed
    if low is None:
        return f"≤ {figure(high)}"
    return f"≥ {figure(low)}" if high is None else f"{figure(low)} to {figure(high)}"


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
