"""Impute: missing cells of tables and holes in pictures, filled in from what is known."""

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks import impute
from ui import cache, imputing, inputs, state, training

st.title("Impute")
st.markdown("**Fill in what is missing:** from what is known of the same example, and with how much doubt.")
left, right = st.columns(2)
with left:
    run = state.choose_run(first="breast-cancer-imputer")
try:
    found, remark = cache.dataset(run)
    if remark:
        st.caption(f":material/info: {remark}")
    chosen = inputs.choose(run, found, right, holes=True)
    if state.takes_pictures(run):
        imputing.pictures(run, found, chosen)
    else:
        imputing.rows(run, found, chosen)
except AecoreError as error:
    state.show_error(error)
training.offer("Train an imputer", impute.plan, "table")
