"""Compress: codes as a file of real bits that opens again, and what they cost beside PCA, JPEG and WebP."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import compress
from ui import cache, compressing, inputs, state, training

st.title("Compress")
st.markdown("**Write codes into as few bits as you like:** the file opens again to exactly what you see here.")
left, right = st.columns(2)
with left:
    run = state.choose_run(first="mnist-stacked")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    compressing.pack(run, found, inputs.choose(run, found, right))
except AecoreError as error:
    state.show_error(error)
training.offer("Train a compressor", compress.plan)
