"""Anomaly: what is unlike the normal examples that a run was trained on, by how much, and why."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import anomaly
from ui import anomalies, cache, inputs, scoring, state, training

st.title("Anomaly")
st.markdown("**Learn what is normal, find what is not:** what a model cannot rebuild is unlike all that it knows.")
left, right = st.columns(2)
with left:
    run = state.choose_run(first="breast-cancer-detector")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    given = inputs.choose(run, found, right)
    judged = scoring.scored(run, found, given, st)
    at = anomalies.threshold(judged, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"))
    anomalies.verdicts(judged, at)
    anomalies.curves(judged, at)
    anomalies.ranking(run, found, given, judged, at)
except AecoreError as error:
    state.show_error(error)
training.offer("Train a detector", anomaly.plan, normal=True)
