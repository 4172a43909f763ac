"""Denoise: what runs make of corrupted pictures, beside the filters that one would otherwise take."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import denoise
from ui import cache, denoising, inputs, state, training

st.title("Denoise")
st.markdown("**Corrupt pictures, then clean them:** does a model know better than a filter what was there?")
left, right = st.columns([3, 2])
chosen = state.choose_runs(state.takes_pictures, ["mnist-denoising-gaussian", "mnist-vanilla"], place=left)
try:
    found, remark = cache.dataset(chosen[0])
    if remark:
        st.caption(f":material/info: {remark}")
    shape = chosen[0].config().model.input_shape
    if other := [run.id for run in chosen if run.config().model.input_shape != shape]:
        st.caption(f":material/info: Left out, since they take pictures of another size: {', '.join(other)}.")
    chosen = [run for run in chosen if run.id not in other]
    x = inputs.choose(chosen[0], found, right)
    denoising.before_and_after(chosen, found, x)
    denoising.strengths(chosen, found, x)
except AecoreError as error:
    state.show_error(error)
training.offer("Train a denoiser", denoise.plan, "image")
