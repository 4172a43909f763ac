"""Compress: codes as a file of real bits that opens again, and their cost beside PCA and JPEG."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_codec
from aecore.tasks.rate_files import codes_any_size
from ui.apply_compress.packing import show_packing
from ui.apply_compress.photo import show_photo_codec
from ui.kit.cache import get_dataset, get_model
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Compress")
st.markdown(
    "**Write codes into as few bits as you like:** the file opens again to exactly what you see "
    "here."
)
left, right = st.columns(2)
with left:
    run = choose_run(first="mnist-stacked")
try:
    if codes_any_size(get_model(run)):
        show_photo_codec(run)
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    show_packing(run, dataset, choose_inputs(run, dataset, right))
except AecoreError as error:
    show_error(error)
offer_training("Train a compressor", plan_codec)
