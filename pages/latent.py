"""Latent: the map of a run's codes. Point at it to decode; select inputs to see and use them."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.explorer import preload_explorer
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.latent.controls import choose_second_run, show_map_controls
from ui.latent.figure import show_maps
from ui.latent.maps import describe_map, load_map
from ui.latent.selection import ask_for_input, show_selection

with st.container(horizontal=True):
    st.title("Latent space")
    preload_explorer()
st.markdown(
    "Every point is an input, placed by its code *z*. **Move over the map: what the model decodes "
    "there appears beside it.**"
)
left, middle, right = st.columns([4, 7, 2], gap="small", vertical_alignment="bottom")
with left:
    run = choose_run()
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    settings = right.popover("Settings", icon=":material/tune:", width="stretch")
    view = show_map_controls(run, dataset, middle, settings)
    second_run = choose_second_run(run, settings)
    latent_map, view = load_map(run, dataset, view, settings)
    typed_rows = ask_for_input(settings, view)
    map_rows = show_maps(run, second_run, dataset, latent_map, view)
    st.caption(describe_map(dataset, view))
    show_selection(run, dataset, latent_map, view, typed_rows or map_rows)
except AecoreError as error:
    show_error(error)
