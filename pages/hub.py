"""Hub: pull a model from the Hugging Face Hub, push a run with its card."""

from __future__ import annotations

import streamlit as st

from ui.hub.pulling import show_pull
from ui.hub.pushing import show_push
from ui.kit.hub_account import show_sign_in

st.title("Hub")
st.markdown(
    "**Share a run, or fetch someone's**: a model is a folder of safetensors and JSON, "
    "never a pickle."
)
show_sign_in()
left, right = st.columns(2, gap="large")
with left:
    show_pull()
with right:
    show_push()
