"""Hub: pull a model from the Hugging Face Hub, push a run with its card."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.hub.sections import show_model_search, show_pull_by_name, show_pulled, show_push
from ui.kit.hub_account import show_sign_in
from ui.kit.messages import show_error
from ui.kit.runs import list_usable_runs
from ui.kit.visitor import is_public

st.title("Hub")
st.markdown(
    "**Share a run, or fetch someone's**: a model is a folder of safetensors and JSON, never a pickle."
)
show_sign_in()


left, right = st.columns(2, gap="large")


with left:
    st.subheader("Pull", anchor=False)
    if is_public():
        st.caption(":material/groups: What you pull here, every visitor of this Space sees.")
    show_model_search()
    show_pull_by_name()
    show_pulled()


with right:
    st.subheader("Push", anchor=False)
    if known := list_usable_runs():
        try:
            show_push(known)
        except AecoreError as error:
            show_error(error)
    else:
        st.info("No run has a model yet.", icon=":material/info:")
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
