"""Search: what in a collection is most like an example, by code."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_compressor
from ui.apply_search.precision import show_precision
from ui.apply_search.sections import show_search
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Search")
st.markdown(
    "**Show one, find its like:** the nearest codes of a collection, all compared, in milliseconds."
)
left, right = st.columns(2)


with left:
    run = choose_run(first="mnist-denoising-gaussian")


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    show_search(run, found, choose_inputs(run, found, right))
    show_precision(run, found)
except AecoreError as error:
    show_error(error)
offer_training("Train for search", plan_compressor)
