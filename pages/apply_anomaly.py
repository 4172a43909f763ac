"""Anomaly: what a run that knows the normal finds strange, how often it is right, and why."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import anomaly
from ui import anomalies, cache, inputs, state, training

st.title("Anomaly")
st.markdown("**Learn what is normal, score what is new:** the farther the model moves an example, the stranger it is.")
left, right = st.columns(2)
with left:
    run = state.choose_run(first="breast-cancer-detector")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    scored = anomalies.judge(run, found, inputs.choose(run, found, right))
    limit = anomalies.threshold(scored)
    anomalies.ranked(run, found, scored, limit)
except AecoreError as error:
    state.show_error(error)
training.offer("Train a detector", anomaly.plan, normal=True)
