"""Hub: pull a model from the Hugging Face Hub, push a run with its card."""

import streamlit as st

from aecore.errors import AecoreError
from ui import sharing, state

st.title("Hub")
st.markdown("**Share a run, or fetch someone's**: a model is a folder of safetensors and JSON, never a pickle.")
sharing.sign_in()

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Pull", anchor=False)
    if state.is_public():
        st.caption(":material/groups: What you pull here, every visitor of this Space sees.")
    sharing.search()
    sharing.pull_by_name()
    sharing.pulled()
with right:
    st.subheader("Push", anchor=False)
    if known := state.usable_runs():
        try:
            sharing.push(known)
        except AecoreError as error:
            state.show_error(error)
    else:
        st.info("No run has a model yet.", icon=":material/info:")
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
