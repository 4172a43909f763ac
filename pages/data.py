"""Data: bring your own pictures or table, see what was understood, train on it."""

from __future__ import annotations

import streamlit as st

from ui.data.bringing import show_bring, show_nothing_yet, show_set
from ui.kit.links import select_linked
from ui.kit.visitor import list_own_sets, name_own_sets

st.title("Data")
st.markdown(
    "**Bring your own pictures or table:** every page works on it, and a model is one click away."
)
show_bring()


if not (sets := {one.token: one for one in list_own_sets()}):
    show_nothing_yet()
    st.stop()
token = select_linked(st, "Your data", list(sets), "own", name_own_sets())
show_set(sets[token])
