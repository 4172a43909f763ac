"""Manifold: the surface that a run learned: its tangents, what pulls back to it, its dimension."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.page_modes import choose_section
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.manifold.runs import check_derivable, choose_manifold_runs
from ui.manifold.sections import MANIFOLD_SENTENCES, show_manifold_section

st.title("Manifold")
mode = choose_section("What to see", MANIFOLD_SENTENCES, "Tangents")
left, middle, right = st.columns(3)
with left:
    run = choose_run(first="s-curve-vae" if mode == "Surface" else "mnist-vae")
try:
    check_derivable(run)
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    with middle:
        runs = choose_manifold_runs(run)
    show_manifold_section(mode, runs, dataset, choose_inputs(run, dataset, right))
except AecoreError as error:
    show_error(error)
