"""Data: bring your own pictures or table, see what was understood, train on it."""

from __future__ import annotations

import streamlit as st

from ui.data.bringing import show_bring
from ui.data.preview import show_own_sets
from ui.kit.visitor import show_session_note

st.title("Data")
st.markdown(
    "**Bring your own pictures or table:** every page works on it, and a model is one click away."
)
show_session_note()
show_bring()
show_own_sets()
