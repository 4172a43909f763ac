"""The second section of the Compare page: loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from aecore.model.config import RunConfig
from aecore.runs.run import Run
from ui.compare.charts import draw_loss_curves
from ui.compare.chosen_runs import join_words
from ui.kit.losses import name_loss_unit, spans_decades
from ui.kit.messages import show_note

LOSS_NAMES = {"validation_loss": "Validation", "loss": "Training"}


@st.fragment
def show_loss_curves(runs: list[Run]) -> None:
    """Show the loss by epoch of all runs in one figure."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    key = left.segmented_control(
        "Loss",
        list(LOSS_NAMES),
        default="validation_loss",
        required=True,
        format_func=lambda name: LOSS_NAMES[name],
        key="curve",
        bind="query-params",
        help="With the KL and the penalties.",
    )
    records = {run.id: (run.config().model.variant, run.epochs()) for run in runs}
    losses = [getattr(row, key) for _, rows in records.values() for row in rows]
    log = right.toggle(
        "Log scale",
        spans_decades(losses),
        key="log",
        bind="query-params",
        help="For losses of different orders.",
    )
    if all(loss is None for loss in losses):
        st.caption("None of these runs has a record of this loss.")
        return
    figure = draw_loss_curves(records, key, log)
    ids = join_words([run.id for run in runs])
    st.plotly_chart(figure, key="curves", alt=f"{key.replace('_', ' ')} by epoch of {ids}")
    show_note(explain_different_losses({run.id: run.config() for run in runs}))


def explain_different_losses(configs: Mapping[str, RunConfig]) -> str:
    """Returns a sentence where the curves' heights have different units; else empty."""
    units: dict[str, list[str]] = {}
    for run_id, config in configs.items():
        units.setdefault(name_loss_unit(config.model.likelihood), []).append(run_id)
    if len(units) < 2:
        return ""
    parts = [f"{unit} ({join_words(ids)})" for unit, ids in units.items()]
    return (
        f"These losses have different units: {join_words(parts)}. "
        "Compare their shapes here, their sizes in the table."
    )
