"""Search: the examples of a collection that are most like a query, by code."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_compressor
from ui.apply_search.precision import show_precision
from ui.apply_search.search import show_search
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Search")
st.markdown(
    "**Find similar examples:** the nearest codes of a collection, each compared with the query."
)
left, right = st.columns(2)
with left:
    run = choose_run(first="mnist-denoising-gaussian")
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    show_search(run, dataset, choose_inputs(run, dataset, right))
    show_precision(run, dataset)
except AecoreError as error:
    show_error(error)
offer_training("Train for search", plan_compressor)
