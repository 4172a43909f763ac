"""Data: bring your own pictures or table, see what was understood, train on it."""

import streamlit as st

from ui import bringing, state

st.title("Data")
st.markdown("**Bring your own pictures or table:** every page works on it, and a model is one click away.")
bringing.bring()
if not (sets := {one.token: one for one in state.own_sets()}):
    bringing.nothing_yet()
    st.stop()
token = state.select_linked(st, "Your data", list(sets), "own", state.own_names())
bringing.show(sets[token])
