"""Latent: the map of a run's codes. Point anywhere on it to decode there; select inputs to see and use them."""

import streamlit as st

from aecore.errors import AecoreError
from ui import cache, explorer, maps, selection, state

with st.container(horizontal=True):
    st.title("Latent space")
    explorer.preload()
st.markdown("Every point is an input, placed by its code *z*. **Move over the map: what the model decodes there "
            "appears beside it.**")  # fmt: skip
first, second, third, fourth = st.columns([4, 3, 3, 2], gap="medium")
with first:
    run = state.choose_run()
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    other = maps.choose_other(run, found, second)
    view = maps.controls(found, third)
    shown, view = maps.load(run, found, view)
    typed = selection.ask(fourth, view)
    rows = maps.draw_both(run, other, found, shown, view) if other else maps.draw(run, found, shown, view)
    st.caption(maps.caption(found, view))
    left, right = st.columns([3, 2], gap="large")
    with right:
        selection.send(run, found, view)
    with left:
        selection.panel(run, found, shown, view, typed or rows)
except AecoreError as error:
    state.show_error(error)
