"""Generate: new examples from a run's code space: samples, ways between two, walks along one dimension."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.generate.sections import show_interpolation, show_samples, show_walk
from ui.kit.cache import get_dataset, get_model
from ui.kit.messages import show_error
from ui.kit.runs import choose_run

SECTIONS = {
    "Samples": (
        show_samples,
        "**Draw codes and decode them:** what does the model believe that data looks like?",
    ),
    "Interpolate": (
        show_interpolation,
        "**Walk from one code to another:** is what lies between them data, too?",
    ),
    "Walk": (show_walk, "**Change one number of a code:** what did the model make it stand for?"),
}


st.title("Generate")
mode = st.segmented_control(
    "What to do",
    list(SECTIONS),
    default="Samples",
    required=True,
    key="mode",
    bind="query-params",
    label_visibility="collapsed",
)
section, sentence = SECTIONS[mode]
st.markdown(sentence)
run = choose_run()


try:
    found, remark = get_dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    section(run, get_model(run), found)
except AecoreError as error:
    show_error(error)
