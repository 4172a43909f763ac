"""Features: codes as a table, as maps, as inputs of a classifier, and how large they must be."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import compress
from ui import cache, featuring, inputs, state, training

SECTIONS = {
    "Codes": (featuring.codes, "**A few numbers instead of many:** take the codes along as a table."),
    "Map": (featuring.maps, "**Two numbers for each input:** which map keeps true neighbours together?"),
    "Worth": (featuring.worth, "**What can a simple classifier do with them?** Codes beside bare values and PCA."),
    "Size": (featuring.size, "**How large must the code be?** Error against the number of code units."),
}

st.title("Features")
mode = st.segmented_control("What to see", list(SECTIONS), default="Map", required=True, key="mode",
                            bind="query-params", label_visibility="collapsed")  # fmt: skip
section, sentence = SECTIONS[mode]
st.markdown(sentence)
left, right = st.columns(2)
with left:
    run = state.choose_run()
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    section(run, found, inputs.choose(run, found, right))
except AecoreError as error:
    state.show_error(error)
training.offer("Train a feature extractor", compress.plan)
