"""Data: bring your own pictures, tables or arrays, see how they are read, train on them."""

from __future__ import annotations

import streamlit as st

from ui.data.bringing import show_bring
from ui.data.preview import show_own_sets
from ui.kit.visitor import show_session_note

st.title("Data")
st.markdown(
    "**Bring your own pictures, tables or arrays**, see how they are read, train a model on them."
)
show_session_note()
show_bring()
show_own_sets()
