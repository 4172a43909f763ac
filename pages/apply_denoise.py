"""Denoise: what runs make of corrupted pictures, beside the filters that one would otherwise take."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.denoise import plan_denoiser
from ui.apply_denoise.sections import show_denoised, show_noise_strengths
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.runs import choose_runs, takes_pictures
from ui.kit.task_page import offer_training

st.title("Denoise")
st.markdown(
    "**Corrupt pictures, then clean them:** does a model know better than a filter what was there?"
)
left, right = st.columns([3, 2])
chosen = choose_runs(takes_pictures, ["mnist-denoising-gaussian", "mnist-vanilla"], container=left)


try:
    found, remark = get_dataset(chosen[0])
    if remark:
        st.caption(f":material/info: {remark}")
    shape = chosen[0].config().model.input_shape
    if other := [run.id for run in chosen if run.config().model.input_shape != shape]:
        st.caption(
            f":material/info: Left out, since they take pictures of another size: {', '.join(other)}."
        )
    chosen = [run for run in chosen if run.id not in other]
    x = choose_inputs(chosen[0], found, right)
    show_denoised(chosen, found, x)
    show_noise_strengths(chosen, found, x)
except AecoreError as error:
    show_error(error)
offer_training("Train a denoiser", plan_denoiser, "image")
