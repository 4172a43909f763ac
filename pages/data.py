"""Data: bring your own pictures or table, see what was understood, train on it."""

import streamlit as st

from ui import bringing, state

st.title("Data")
st.markdown("**Bring your own pictures or table:** every page works on it, and a model is one click away.")
bringing.bring()
if not (sets := {one.token: one for one in state.own_sets()}):
    bringing.nothing_yet()
    st.stop()
if st.session_state.get("own") not in sets:
    st.session_state.pop("own", None)
token = st.selectbox("Your data", list(sets), key="own", bind="query-params", format_func=lambda t: sets[t].name)
bringing.show(sets[token])
