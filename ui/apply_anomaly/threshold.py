"""The threshold: the score above which an example counts as anomalous."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.tasks.detection import find_cheapest_threshold
from aecore.tasks.thresholds import find_outlier_threshold
from ui.apply_anomaly.scoring import ScoredInputs

AUTOMATIC, BY_SHARE, BY_ALARMS = "Automatic", "By share", "By false alarms"
BY_SCORE, BY_COST = "By score", "By cost"
DEFAULT_ALARMS = 0.1  # share of normal examples
DEFAULT_SHARE = 0.05  # of the rows that are scored
THRESHOLD_HELP = (
    "**Automatic**: far above the scores of most, as a box plot marks outliers. **By share**: this "
    "share of what is scored is odd. **By false alarms**: the score that this share of the normal "
    "examples exceeds. **By score**: a score of your own. **By cost**: what is cheapest on these "
    "examples, at what a miss costs beside a false alarm; needs classes."
)


class Threshold(NamedTuple):
    """The score above which an example is anomalous, and the share that set it."""

    score: float
    alarms: float | None = None  # share of normal examples above it; None where set otherwise


def choose_threshold(scored: ScoredInputs) -> Threshold:
    """Show a control over what sets the threshold, and its setting; return the threshold."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    methods = [BY_ALARMS, AUTOMATIC, BY_SHARE, BY_SCORE]
    if scored.contaminated:
        methods = [AUTOMATIC, BY_SHARE, BY_ALARMS, BY_SCORE]
    methods += [BY_COST] if scored.has_both_kinds else []
    if st.session_state.get("threshold", methods[0]) not in methods:
        st.session_state["threshold"] = methods[0]
    method = row.segmented_control(
        "Threshold",
        methods,
        default=methods[0],
        required=True,
        key="threshold",
        bind="query-params",
        help=THRESHOLD_HELP,
    )
    if method == AUTOMATIC:
        return Threshold(find_outlier_threshold(scored.detector.normal_scores))
    if method == BY_SHARE:
        return Threshold(find_outlier_threshold(scored.scores, choose_odd_share(row)))
    if method == BY_SCORE:
        return Threshold(choose_score(row, scored.detector.threshold(DEFAULT_ALARMS)))
    if method == BY_COST and scored.anomalous is not None:
        miss = row.slider(
            "Cost of a miss, in false alarms",
            0.1,
            100.0,
            5.0,
            0.1,
            key="miss",
            bind="query-params",
            width=280,
        )
        return Threshold(find_cheapest_threshold(scored.scores, scored.anomalous, miss))
    return choose_alarm_share(row, scored)


def choose_odd_share(row: DeltaGenerator) -> float:
    """Show a slider for the share of what is scored that is odd, and return it."""
    percent = row.slider(
        "Odd, %",
        0.1,
        50.0,
        100 * DEFAULT_SHARE,
        0.1,
        key="odd",
        bind="query-params",
        width=280,
        help="Percentage of the scored examples that are above the threshold.",
    )
    return percent / 100


def choose_score(row: DeltaGenerator, default: float) -> float:
    """Show a number input for the score itself; an empty one is the default."""
    score = row.number_input(
        "Score",
        0.0,
        value=None,
        key="score",
        bind="query-params",
        format="%.4g",
        width=160,
        placeholder=f"{default:.3g}",
    )
    return default if score is None else score


def choose_alarm_share(row: DeltaGenerator, scored: ScoredInputs) -> Threshold:
    """Show a slider for the share of false alarms, and how sure that share is."""
    percent = row.slider(
        "False alarms, %",
        0.5,
        50.0,
        100 * DEFAULT_ALARMS,
        0.5,
        key="alarms",
        bind="query-params",
        width=280,
        help="Percentage of the normal examples that are to be above the threshold.",
    )
    share = percent / 100
    low, high = scored.detector.false_alarm_interval(share)
    st.caption(
        f"Set by {len(scored.detector.normal_scores):,} normal examples, it gives alarms on "
        f"{low:.1%} to {high:.1%} of new ones, in nine cases of ten."
    )
    return Threshold(scored.detector.threshold(share), share)
