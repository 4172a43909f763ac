"""Compress: codes as a file of real bits that opens again, and what they cost beside PCA, JPEG and WebP."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_compressor
from ui.apply_compress.sections import show_packing
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Compress")
st.markdown(
    "**Write codes into as few bits as you like:** the file opens again to exactly what you see here."
)
left, right = st.columns(2)


with left:
    run = choose_run(first="mnist-stacked")


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    show_packing(run, found, choose_inputs(run, found, right))
except AecoreError as error:
    show_error(error)
offer_training("Train a compressor", plan_compressor)
