"""Generate: new examples from a run's code space: samples, ways between two, walks along one dimension."""

import streamlit as st

from aecore.errors import AecoreError
from ui import cache, generating, state

SECTIONS = {
    "Samples": (
        generating.samples,
        "**Draw codes and decode them:** what does the model believe that data looks like?",
    ),
    "Interpolate": (generating.interpolate, "**Walk from one code to another:** is what lies between them data, too?"),
    "Walk": (generating.walk, "**Change one number of a code:** what did the model make it stand for?"),
}

st.title("Generate")
mode = st.segmented_control("What to do", list(SECTIONS), default="Samples", required=True, key="mode",
                            bind="query-params", label_visibility="collapsed")  # fmt: skip
section, sentence = SECTIONS[mode]
st.markdown(sentence)
run = state.choose_run()
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    section(run, cache.model(run), found)
except AecoreError as error:
    state.show_error(error)
