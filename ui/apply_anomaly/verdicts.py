"""Verdicts: the scores as a histogram, and the confusion matrix at the threshold."""

from __future__ import annotations

import numpy as np
import streamlit as st

from aecore.analysis.anomaly_scores import SCORE_TEXTS
from aecore.names import escape_name
from aecore.tasks.detection import Confusion, count_confusion
from aecore.tasks.thresholds import average_over_draws
from ui.apply_anomaly.charts import draw_score_histogram
from ui.apply_anomaly.scoring import ScoredInputs
from ui.apply_anomaly.threshold import Threshold
from ui.kit.inputs import Inputs

FEW_NORMAL = 500  # examples behind a threshold, up to which another draw of them matters
NO_CLASSES_NOTE = "These data have no classes, so mistakes cannot be counted."
ALL_NORMAL_NOTE = (
    "All that are scored count as normal, so each of these is a false alarm, or a find: the "
    "strangest come first. With other classes to be found, it shows how well they are told apart."
)
CONFUSION_CSS = """<style>
.conf {display: grid; grid-template-columns: auto 1fr 1fr; gap: .4rem; align-items: stretch}
.conf div {padding: .6rem .5rem; text-align: center; border-radius: .3rem; line-height: 1.3}
.conf .name {text-align: right; align-self: center; padding-left: 0; opacity: .8}
.conf .top {opacity: .8; padding: 0}
.conf b {font-size: 1.5rem; display: block} .conf small {opacity: .8}
</style>"""
RIGHT_RGB, WRONG_RGB = "68,119,170", "238,102,119"


def show_verdicts(inputs: Inputs, scored: ScoredInputs, threshold: Threshold) -> None:
    """Show the scores beside the threshold, and the verdicts on them."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            draw_score_histogram(
                group_scores(scored), threshold.score, SCORE_TEXTS[scored.kind].axis
            ),
            key="scores",
            alt=f"Histogram of {len(scored.scores):,} scores; "
            f"the threshold is {threshold.score:.3g}",
        )
        st.caption(f"{len(scored.scores):,} scores of {escape_name(inputs.name)}.")
    with right:
        if scored.anomalous is not None and scored.anomalous.any():
            show_confusion(count_confusion(scored.scores, scored.anomalous, threshold.score))
            show_average_over_draws(scored, threshold)
        else:
            show_count_above(scored, threshold)


def group_scores(scored: ScoredInputs) -> dict[str, np.ndarray]:
    """Returns the scores of normal and of anomalous examples, without empty groups."""
    scores = scored.scores.numpy()
    if scored.anomalous is None:
        return {"inputs": scores}
    anomalous = scored.anomalous.numpy()
    groups = {"normal": scores[~anomalous], "anomalous": scores[anomalous]}
    return {name: group for name, group in groups.items() if len(group)}


def show_count_above(scored: ScoredInputs, threshold: Threshold) -> None:
    """Show how many scores are above the threshold, where there is nothing to find."""
    above = scored.scores > threshold.score
    st.metric(
        "Above the threshold",
        f"{int(above.sum()):,} of {len(above):,}",
        f"{above.float().mean():.1%}",
        delta_color="off",
        delta_arrow="off",
    )
    st.caption(NO_CLASSES_NOTE if scored.anomalous is None else ALL_NORMAL_NOTE)


def show_confusion(confusion: Confusion) -> None:
    """Show a confusion matrix with precision and recall."""
    st.html(format_confusion(confusion))
    has_alarms = confusion.true_positives + confusion.false_positives > 0
    row = st.container(horizontal=True)
    row.metric(
        "Precision",
        f"{confusion.precision:.1%}" if has_alarms else "none",
        help="Of the alarms, the share that is right.",
        width=130,
    )
    row.metric(
        "Recall",
        f"{confusion.recall:.1%}",
        help="Of the anomalies, the share that is found.",
        width=130,
    )


def show_average_over_draws(scored: ScoredInputs, threshold: Threshold) -> None:
    """Show what other draws of the examples that set the threshold would give, if they are few."""
    count = len(scored.detector.normal_scores)
    if scored.halved is None or threshold.alarms is None or count > FEW_NORMAL:
        return
    rates = average_over_draws(*scored.halved, threshold.alarms)
    st.caption(
        f"Over {rates.draws} draws of the examples that set the threshold: "
        f"{rates.false_alarms:.1%} false alarms and {rates.recall:.1%} found, on average."
    )


# -- the confusion matrix as HTML


def format_confusion(confusion: Confusion) -> str:
    """Returns a confusion matrix as HTML.

    A cell is blue where right, red where wrong, and deeper the larger its share of its line.
    """
    lines = {
        "normal": (
            (confusion.true_negatives, "true negatives", RIGHT_RGB),
            (confusion.false_positives, "false positives", WRONG_RGB),
        ),
        "anomalous": (
            (confusion.false_negatives, "false negatives", WRONG_RGB),
            (confusion.true_positives, "true positives", RIGHT_RGB),
        ),
    }
    cells = ['<div></div><div class="top">below</div><div class="top">above the threshold</div>']
    for name, line in lines.items():
        total = sum(count for count, _, _ in line)
        cells.append(f'<div class="name">{name}<br><small>{total:,}</small></div>')
        cells += [format_confusion_cell(count, total, word, rgb) for count, word, rgb in line]
    label = describe_confusion(confusion)
    return (
        f'{CONFUSION_CSS}<div class="conf" role="img" aria-label="{label}">{"".join(cells)}</div>'
    )


def format_confusion_cell(count: int, total: int, word: str, rgb: str) -> str:
    """Returns one cell: the count, what it counts, and its share of the total."""
    share = count / total if total else 0.0
    background = f"rgba({rgb},{0.08 + 0.6 * share:.2f})"
    return (
        f'<div style="background:{background}"><b>{count:,}</b>{word}<br>'
        f"<small>{share:.1%}</small></div>"
    )


def describe_confusion(confusion: Confusion) -> str:
    """Returns the four counts in words, for those who do not see the matrix."""
    return (
        f"{confusion.true_positives} true positives, {confusion.false_negatives} false negatives; "
        f"{confusion.true_negatives} true negatives, "
        f"{confusion.false_positives} false positives"
    )
