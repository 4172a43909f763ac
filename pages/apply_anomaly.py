"""Anomaly: examples unlike the normal ones that a run was trained on, by how much, and why."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.anomaly import plan_detector
from ui.apply_anomaly.detection_curves import show_detection_curves
from ui.apply_anomaly.ranking import show_ranking
from ui.apply_anomaly.score_kind import choose_anomaly_score
from ui.apply_anomaly.scoring import is_contaminated, score_inputs
from ui.apply_anomaly.threshold import choose_threshold
from ui.apply_anomaly.verdicts import show_verdicts
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import DETECTING, choose_run
from ui.kit.task_page import offer_training

st.title("Anomaly")
st.markdown(
    "**Learn what is normal, find what is not:** what a model cannot reconstruct is unlike the "
    "examples it was trained on."
)
left, right = st.columns(2)
with left:
    run = choose_run(first="breast-cancer-detector", task=DETECTING)
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    whole = is_contaminated(run)
    keep = whole and run.config().model.missing
    inputs = choose_inputs(run, dataset, right, keep_missing=keep, begin_whole=whole)
    kind = choose_anomaly_score(run, left)
    scored = score_inputs(run, dataset, inputs, kind)
    threshold = choose_threshold(scored)
    show_verdicts(inputs, scored, threshold)
    show_detection_curves(scored, threshold.score)
    show_ranking(run, dataset, inputs, scored, threshold.score)
except AecoreError as error:
    show_error(error)
offer_training("Train a detector", plan_detector, choose_class=True)
