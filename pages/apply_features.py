"""Features: codes as a table, as maps, as inputs of a classifier, and how large they must be."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.compress import plan_compressor
from ui.apply_features.sections import (
    show_code_table,
    show_feature_accuracy,
    show_feature_maps,
    show_size_against_error,
)
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.runs import choose_run
from ui.kit.task_page import offer_training

SECTIONS = {
    "Codes": (
        show_code_table,
        "**A few numbers instead of many:** take the codes along as a table.",
    ),
    "Map": (
        show_feature_maps,
        "**Two numbers for each input:** which map keeps true neighbours together?",
    ),
    "Worth": (
        show_feature_accuracy,
        "**What can a simple classifier do with them?** Codes beside bare values and PCA.",
    ),
    "Size": (
        show_size_against_error,
        "**How large must the code be?** Error against the number of code units.",
    ),
}


st.title("Features")
mode = st.segmented_control(
    "What to see",
    list(SECTIONS),
    default="Map",
    required=True,
    key="mode",
    bind="query-params",
    label_visibility="collapsed",
)
section, sentence = SECTIONS[mode]
st.markdown(sentence)
left, right = st.columns(2)


with left:
    run = choose_run()


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    section(run, found, choose_inputs(run, found, right))
except AecoreError as error:
    show_error(error)
offer_training("Train a feature extractor", plan_compressor)
