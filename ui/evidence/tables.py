"""The experiments of the fidelity suite as tables, and as rows of the overview picture."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas.io.formats.style import Styler

from ui.evidence.charts import VERDICT_NAMES, VERDICT_STYLES, ScaledFigure, VerdictRow
from ui.evidence.experiments import Bounds, EvidenceCheck, Experiment

VERDICT_BADGES = {  # the icons are the symbols of the picture
    "moonshot": ":blue-badge[:material/star: stretch goal]",
    "pass": ":green-badge[:material/circle: pass]",
    "miss": ":red-badge[:material/close: miss]",
    "told": ":gray-badge[:material/info: no threshold]",
}
TITLE_LENGTH = 50  # letters that a narrow screen takes


def make_verdict_rows(experiments: Sequence[Experiment]) -> list[VerdictRow]:
    """Returns experiments as the overview picture takes them."""
    return [
        VerdictRow(
            experiment.verdict,
            shorten_title(f"{experiment.id} {experiment.title}"),
            count_reached(experiment),
            scale_figures(experiment),
        )
        for experiment in experiments
    ]


def scale_figures(experiment: Experiment) -> list[ScaledFigure]:
    """Returns the figures that lie on a scale from bar to moonshot, the main one first."""
    main = experiment.main_check
    figures = []
    for check in sorted(experiment.checks, key=lambda check: check is not main):
        ours = check.scale(check.ours)
        if ours is not None:
            paper = None if check.paper is None else check.scale(check.paper)
            text = f"{experiment.id} {describe_check(check)}"
            figures.append(ScaledFigure(check.state, ours, paper, text))
    return figures


def describe_check(check: EvidenceCheck) -> str:
    """Returns a figure and its bars, for the text on hover."""
    paper = "" if check.paper is None else f", paper {format_figure(check.paper)}"
    return (
        f"{check.what}<br>ours {format_figure(check.ours)}{paper}"
        f"<br>threshold {format_bounds(check.bar)}, "
        f"stretch goal {format_bounds(check.moonshot)}"
    )


def shorten_title(text: str) -> str:
    """Returns a title that fits a narrow screen, with an ellipsis where it was cut."""
    return text if len(text) <= TITLE_LENGTH else f"{text[: TITLE_LENGTH - 1].rstrip()}…"


def count_reached(experiment: Experiment) -> str:
    """Returns how many bars an experiment reaches, in words."""
    states = experiment.judged_states
    return f"{len(states) - states.count('miss')} of {len(states)} reached"


def tabulate_overview(experiments: Sequence[Experiment]) -> Styler:
    """Returns a line for each experiment with its main figure.

    The first columns are those that a narrow screen shows.
    """
    checks = [experiment.main_check for experiment in experiments]
    frame = pd.DataFrame(
        {
            "": [experiment.id for experiment in experiments],
            "Verdict": [
                f"{VERDICT_STYLES[experiment.verdict][2]} {VERDICT_NAMES[experiment.verdict]}"
                for experiment in experiments
            ],
            "Ours": [format_figure(check.ours) for check in checks],
            "Paper": [format_figure(check.paper) for check in checks],
            "Threshold": [format_bounds(check.bar) for check in checks],
            "Time": [format_duration(experiment.seconds) for experiment in experiments],
            "Figure": [check.what for check in checks],
        }
    )
    fills = [
        f"background-color: {VERDICT_STYLES[experiment.verdict][1]}44" for experiment in experiments
    ]
    return frame.style.apply(lambda _: fills, subset=["Verdict"])


def tabulate_details(experiment: Experiment) -> pd.DataFrame:
    """Returns a line for each figure of an experiment."""
    checks = experiment.checks
    return pd.DataFrame(
        {
            "Figure": [f"{VERDICT_BADGES[check.state]} {check.what}" for check in checks],
            "Ours": [format_with_spread(check) for check in checks],
            "Paper": [format_figure(check.paper) for check in checks],
            "Threshold": [format_bounds(check.bar) for check in checks],
            "Stretch goal": [format_bounds(check.moonshot) for check in checks],
        }
    )


def format_with_spread(check: EvidenceCheck) -> str:
    """Returns our figure, with its deviation over seeds where there are several."""
    text = format_figure(check.ours)
    return text if check.spread is None else f"{text} ± {format_figure(check.spread)}"


def format_figure(value: float | None) -> str:
    """Returns digits as papers print them: 0.206, 2.86, 86.76; whole numbers as such."""
    if value is None:
        return ""
    if abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.2f}"


def format_bounds(bounds: Bounds | None) -> str:
    """Returns the least and the largest value that are allowed, in words."""
    if bounds is None:
        return ""
    low, high = bounds
    if low is None:
        return f"≤ {format_figure(high)}"
    if high is None:
        return f"≥ {format_figure(low)}"
    return format_figure(low) if low == high else f"{format_figure(low)} to {format_figure(high)}"


def format_duration(seconds: float) -> str:
    """Returns a duration in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
