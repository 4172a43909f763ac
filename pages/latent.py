"""Latent: the map of a run's codes. Select inputs in it to see what the model makes of them."""

import streamlit as st

from aecore.errors import AecoreError
from ui import cache, maps, selection, state

st.title("Latent space")
st.markdown("Every point is an input, placed by its code *z*: **inputs that the model finds alike lie together.**")
left, right = st.columns([3, 2], gap="large")
with left:
    run = state.choose_run()
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    view = maps.controls(found, right)
    shown, view = maps.load(run, found, view)
except AecoreError as error:
    state.show_error(error)
    st.stop()

left, right = st.columns([3, 2], gap="large")
with left:
    rows = maps.draw(run, found, shown, view)
    st.caption(maps.caption(found, view))
with right:
    typed = selection.ask(view)
    selection.panel(run, found, shown, view, typed or rows)
