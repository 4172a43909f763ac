"""Latent: the map of a run's codes. Point anywhere on it to decode there; select inputs to see and use them."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.explorer import preload_explorer
from ui.kit.messages import show_error
from ui.kit.runs import choose_run
from ui.latent.maps import (
    choose_second_run,
    describe_map,
    draw_both_maps,
    draw_map,
    load_map,
    show_map_controls,
)
from ui.latent.selection import ask_for_input, show_selection_panel, show_task_links

with st.container(horizontal=True):
    st.title("Latent space")
    preload_explorer()
st.markdown(
    "Every point is an input, placed by its code *z*. **Move over the map: what the model decodes there "
    "appears beside it.**"
)
first, second, third, fourth = st.columns([4, 3, 3, 2], gap="medium")


with first:
    run = choose_run()


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    other = choose_second_run(run, found, second)
    view = show_map_controls(found, third)
    shown, view = load_map(run, found, view)
    typed = ask_for_input(fourth, view)
    rows = (
        draw_both_maps(run, other, found, shown, view)
        if other
        else draw_map(run, found, shown, view)
    )
    st.caption(describe_map(found, view))
    left, right = st.columns([3, 2], gap="large")
    with right:
        show_task_links(run, found, view)
    with left:
        show_selection_panel(run, found, shown, view, typed or rows)
except AecoreError as error:
    show_error(error)
