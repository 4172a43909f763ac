"""Search: what in a collection is most like an example, by code."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import compress
from ui import cache, inputs, precision, searching, state, training

st.title("Search")
st.markdown("**Show one, find its like:** the nearest codes of a collection, all compared, in milliseconds.")
left, right = st.columns(2)
with left:
    run = state.choose_run(first="mnist-denoising-gaussian")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    searching.look(run, found, inputs.choose(run, found, right))
    precision.show(run, found)
except AecoreError as error:
    state.show_error(error)
training.offer("Train for search", compress.plan)
