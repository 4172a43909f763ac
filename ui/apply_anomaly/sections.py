"""What the Anomaly page is made of: scores against a threshold, how well they tell apart, and which are the highest."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.anomaly import average_over_draws
from aecore.tasks.detection import (
    Confusion,
    compute_detection_curves,
    count_confusion,
    find_cheapest_threshold,
)
from ui.apply_anomaly.charts import (
    ANOMALOUS_COLOUR,
    NORMAL_COLOUR,
    draw_rate_curve,
    draw_score_histogram,
)
from ui.apply_anomaly.explaining import list_kinds, name_example, show_explanation
from ui.apply_anomaly.scoring import ScoredInputs
from ui.kit.cache import get_model
from ui.kit.examples import ROW_TILES_NOTE, choose_index, format_cards, is_point_cloud
from ui.kit.figures import draw_cloud
from ui.kit.inputs import Inputs

SHOWN_ANOMALIES = 16
FEW_NORMAL = 500  # examples behind a threshold, up to which another draw of them matters
FALSE_ALARM_SHARES = "By false alarms", "By score", "By cost"
THRESHOLD_HELP = (
    "**By false alarms**: the score that this share of the normal examples exceeds. **By score**: a score of your "
    "own. **By cost**: what is cheapest on these examples, at what a miss costs beside a false alarm; needs classes."
)
ALL_NORMAL = (
    "All that are scored count as normal, so each of these is a false alarm, or a find: the strangest come first. "
    "With other classes to be found, it shows how well they are told apart."
)


# -- the threshold


def choose_threshold(judged: ScoredInputs, place: Any) -> float:
    """The score above which an example is anomalous."""
    ways = FALSE_ALARM_SHARES if judged.known else FALSE_ALARM_SHARES[:2]
    if st.session_state.get("threshold", ways[0]) not in ways:
        del st.session_state["threshold"]
    way = place.segmented_control(
        "Threshold",
        ways,
        default=ways[0],
        required=True,
        key="threshold",
        bind="query-params",
        help=THRESHOLD_HELP,
    )
    usual = judged.detector.threshold(0.1)
    if way == FALSE_ALARM_SHARES[1]:
        given = place.number_input(
            "Score",
            0.0,
            value=None,
            key="score",
            bind="query-params",
            format="%.4g",
            width=160,
            placeholder=f"{usual:.3g}",
        )
        return usual if given is None else given
    if way == FALSE_ALARM_SHARES[2] and judged.anomalous is not None:
        miss = place.slider(
            "A miss costs so many false alarms",
            0.1,
            100.0,
            5.0,
            0.1,
            key="miss",
            bind="query-params",
            width=280,
        )
        return find_cheapest_threshold(judged.scores, judged.anomalous, miss)
    share = place.slider(
        "False alarms, %",
        0.5,
        50.0,
        10.0,
        0.5,
        key="alarms",
        bind="query-params",
        width=280,
        help="Of normal examples, so many in a hundred are to be above the threshold.",
    )
    low, high = judged.detector.false_alarm_interval(share / 100)
    st.caption(
        f"Set by {len(judged.detector.normal_scores):,} normal examples, it gives alarms on {low:.1%} to {high:.1%} of "
        "new ones, in nine cases of ten."
    )
    return judged.detector.threshold(share / 100)


def show_average_over_draws(judged: ScoredInputs) -> None:
    """Where the threshold was set on few, what other draws of them would give."""
    if (
        judged.halved is None
        or len(judged.detector.normal_scores) > FEW_NORMAL
        or st.session_state.get("threshold") not in (None, FALSE_ALARM_SHARES[0])
    ):
        return
    found = average_over_draws(*judged.halved, (st.session_state.get("alarms") or 10) / 100)
    st.caption(
        f"Over {found.draws} draws of the examples that set the threshold: {found.false_alarms:.1%} false "
        f"alarms and {found.recall:.1%} found, on average."
    )


def show_verdicts(judged: ScoredInputs, at: float) -> None:
    """The scores on a line, and what the threshold makes of them."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            draw_score_histogram(group_scores(judged), at),
            key="scores",
            alt=f"Histogram of {len(judged.scores):,} scores; the threshold is {at:.3g}",
        )
    with right:
        above = judged.scores > at
        if judged.anomalous is None or not judged.anomalous.any():
            st.metric(
                "Above the threshold",
                f"{int(above.sum()):,} of {len(above):,}",
                f"{above.float().mean():.1%}",
                delta_color="off",
                delta_arrow="off",
            )
            st.caption(
                "These data have no classes, so nobody knows which of them are mistakes."
                if judged.anomalous is None
                else ALL_NORMAL
            )
            return
        counts = count_confusion(judged.scores, judged.anomalous, at)
        st.html(format_confusion(counts))
        row = st.container(horizontal=True)
        row.metric(
            "Precision",
            f"{counts.precision:.1%}" if above.any() else "none",
            help="Of the alarms, the share that is right.",
            width=130,
        )
        row.metric(
            "Recall",
            f"{counts.recall:.1%}",
            help="Of the anomalies, the share that is found.",
            width=130,
        )
        show_average_over_draws(judged)


def group_scores(judged: ScoredInputs) -> dict[str, Any]:
    scores = judged.scores.numpy()
    if judged.anomalous is None:
        return {"inputs": scores}
    truth = judged.anomalous.numpy()
    return {
        name: part
        for name, part in (("normal", scores[~truth]), ("anomalous", scores[truth]))
        if len(part)
    }


CONFUSION_CSS = """<style>
.conf {display: grid; grid-template-columns: auto 1fr 1fr; gap: .4rem; align-items: stretch}
.conf div {padding: .6rem .5rem; text-align: center; border-radius: .3rem; line-height: 1.3}
.conf .name {text-align: right; align-self: center; padding-left: 0; opacity: .8} .conf .top {opacity: .8; padding: 0}
.conf b {font-size: 1.5rem; display: block} .conf small {opacity: .8}
</style>"""


def format_confusion(counts: Confusion) -> str:
    """The four counts, deeper in colour the larger their share: blue where right, red where wrong."""
    rows = {
        "normal": (
            (counts.true_negatives, "passed", True),
            (counts.false_positives, "false alarms", False),
        ),
        "anomalous": (
            (counts.false_negatives, "missed", False),
            (counts.true_positives, "found", True),
        ),
    }
    cells = ['<div></div><div class="top">below</div><div class="top">above the threshold</div>']
    for name, pair in rows.items():
        total = sum(count for count, _, _ in pair)
        cells.append(f'<div class="name">{name}<br><small>{total:,}</small></div>')
        for count, word, right in pair:
            share = count / total if total else 0.0
            tint = f"rgba({'68,119,170' if right else '238,102,119'},{0.08 + 0.6 * share:.2f})"
            cells.append(
                f'<div style="background:{tint}"><b>{count:,}</b>{word}<br><small>{share:.1%}</small></div>'
            )
    return f'{CONFUSION_CSS}<div class="conf" role="img" aria-label="{describe_confusion(counts)}">{"".join(cells)}</div>'


def describe_confusion(counts: Confusion) -> str:
    return (
        f"{counts.true_positives} anomalies found, {counts.false_negatives} missed; {counts.true_negatives} normal examples passed, "
        f"{counts.false_positives} false alarms"
    )


# -- how well


def show_detection_curves(judged: ScoredInputs, at: float) -> None:
    """ROC and precision-recall, where the truth is known."""
    if judged.anomalous is None or not judged.anomalous.any():
        return
    st.subheader("How well it tells them apart", anchor=False)
    if not judged.known:
        st.caption("None that is scored is normal: there is nothing to tell apart.")
        return
    found = compute_detection_curves(judged.scores, judged.anomalous)
    counts = count_confusion(judged.scores, judged.anomalous, at)
    alarms = counts.false_positives / (counts.false_positives + counts.true_negatives)
    share = float(judged.anomalous.float().mean())
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**ROC**: area {found.auroc:.3f}",
            help="The chance that an anomaly scores above a normal example.",
        )
        axes = ("false alarms, share of the normal", "found, share of the anomalous")
        figure = draw_rate_curve(
            found.false_positive_rate,
            found.true_positive_rate,
            (alarms, counts.recall),
            axes,
            ((0, 0), (1, 1)),
        )
        st.plotly_chart(figure, key="roc", alt=f"ROC curve, area {found.auroc:.3f}")
    with right:
        st.markdown(
            f"**Precision and recall**: average precision {found.average_precision:.3f}",
            help="Depends on how many are anomalous: guessing gives their share.",
        )
        axes = ("recall: found, share of the anomalous", "precision: right, share of the alarms")
        now = (counts.recall, counts.precision)
        figure = draw_rate_curve(found.recall, found.precision, now, axes, ((0, share), (1, share)))
        st.plotly_chart(
            figure,
            key="pr",
            alt=f"Precision over recall, average precision {found.average_precision:.3f}",
        )


# -- which, and why


def show_ranking(run: Run, found: Dataset, given: Inputs, judged: ScoredInputs, at: float) -> None:
    """The most anomalous, one of them explained, and all as a file."""
    st.subheader("The most anomalous", anchor=False)
    order = judged.scores.argsort(descending=True)
    top, net = order[:SHOWN_ANOMALIES], get_model(run)
    x = as_float(judged.x[top])
    if is_point_cloud(found):
        above = judged.scores > at
        parts = {
            "training data": found.train.x[:2000],
            "below the threshold": judged.x[~above],
            "above": judged.x[above],
        }
        tints = (NORMAL_COLOUR, NORMAL_COLOUR, ANOMALOUS_COLOUR)
        figure = draw_cloud({name: part.numpy() for name, part in parts.items()}, tints)
        st.container(width=640).plotly_chart(
            figure, key="found", alt="Examples above and below the threshold"
        )
    else:
        kinds = list_kinds(given, judged, top)
        details = [
            f"{f'{score:.3g}' if score < 1000 else f'{score:,.0f}'}{kind}"
            for score, kind in zip(judged.scores[top].tolist(), kinds, strict=True)
        ]
        names = [name_example(given, judged, i) for i in top.tolist()]
        st.html(format_cards(net, x, names, details, (judged.scores[top] > at).tolist()))
        st.caption(
            "Underlined in red: above the threshold. Under each its score."
            + ("" if x.dim() == 4 else f" {ROW_TILES_NOTE}")
        )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    rank = (
        choose_index(
            row, "Rank", "rank", len(order), 0, "Which to look into: 0 is the most anomalous."
        )
        or 0
    )
    row.download_button(
        "Scores as CSV",
        lambda: tabulate_verdicts(given, judged, at).to_csv(index=False),
        f"{run.id}-anomalies.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
        help="Every example that was scored, with score, p-value and verdict.",
    )
    show_explanation(run, found, given, judged, int(order[rank]), at)


def tabulate_verdicts(given: Inputs, judged: ScoredInputs, at: float) -> pd.DataFrame:
    """A line for each scored example: the visitor's own columns or its name, then the verdict."""
    rows = judged.rows.numpy()
    if given.frame is not None:
        table = given.frame.iloc[rows].reset_index(drop=True)
    else:
        table = pd.DataFrame({"row": rows})
        if given.names:
            table["name"] = [given.names[row] for row in rows]
        if given.y is not None and given.classes:
            table["class"] = [given.classes[int(given.y[row])] for row in rows]
    found = {
        "score": judged.scores,
        "p_value": judged.detector.p_values_of_scores(judged.scores),
        "is_anomaly": judged.scores > at,
    }
    for name, values in found.items():
        while name in table.columns:  # a column of the visitor's own is never written over
            name = f"anomaly_{name}"
        table[name] = values.numpy()
    return table
