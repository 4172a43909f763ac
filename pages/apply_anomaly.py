"""Anomaly: what is unlike the normal examples that a run was trained on, by how much, and why."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.anomaly import plan_detector
from ui.apply_anomaly.scoring import score_inputs
from ui.apply_anomaly.sections import (
    choose_threshold,
    show_detection_curves,
    show_ranking,
    show_verdicts,
)
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Anomaly")
st.markdown(
    "**Learn what is normal, find what is not:** what a model cannot rebuild is unlike all that it knows."
)
left, right = st.columns(2)


with left:
    run = choose_run(first="breast-cancer-detector")


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    given = choose_inputs(run, found, right)
    judged = score_inputs(run, found, given, st)
    at = choose_threshold(
        judged, st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    )
    show_verdicts(judged, at)
    show_detection_curves(judged, at)
    show_ranking(run, found, given, judged, at)
except AecoreError as error:
    show_error(error)
offer_training("Train a detector", plan_detector, choose_class=True)
