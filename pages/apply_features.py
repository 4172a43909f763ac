"""Features: codes as a table, as maps, as inputs of a classifier, and how large they must be."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_compressor
from ui.apply_features.sections import FEATURE_SENTENCES, SHOW_FEATURE_SECTION
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.page_modes import choose_section
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

st.title("Features")
mode = choose_section("What to see", FEATURE_SENTENCES, "Map")
left, right = st.columns(2)
with left:
    run = choose_run()
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    inputs = choose_inputs(run, dataset, right)
    SHOW_FEATURE_SECTION[mode](run, dataset, inputs)
except AecoreError as error:
    show_error(error)
offer_training("Train a feature extractor", plan_compressor)
