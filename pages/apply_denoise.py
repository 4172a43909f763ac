"""Denoise: corrupted pictures through runs, beside the filters that one would otherwise take."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.denoise import plan_denoiser
from ui.apply_denoise.denoised import show_denoised
from ui.apply_denoise.noise import choose_noise
from ui.apply_denoise.photo import show_photo_denoiser
from ui.apply_denoise.runs import keep_runs_of_one_shape
from ui.apply_denoise.strengths import show_noise_strengths
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import DENOISING, choose_runs, takes_pictures
from ui.kit.task_page import offer_training

st.title("Denoise")
st.markdown(
    "**Corrupt pictures, then clean them:** does a model know better than a filter what was there?"
)
left, right = st.columns([3, 2])
first = ["mnist-denoising-gaussian", "mnist-vanilla"]
runs = choose_runs(takes_pictures, first, container=left, task=DENOISING)
try:
    dataset, remark = get_dataset(runs[0])
    show_data_remark(runs[0], remark)
    runs = keep_runs_of_one_shape(runs)
    inputs = choose_inputs(runs[0], dataset, right)
    noise = choose_noise()
    show_denoised(runs, dataset, inputs, noise)
    show_noise_strengths(runs, dataset, inputs, noise.kind)
    show_photo_denoiser(runs)
except AecoreError as error:
    show_error(error)
offer_training("Train a denoiser", plan_denoiser, "image")
