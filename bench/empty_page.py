"""A page of Streamlit with a heading alone: how soon any page could be there (bench/home.py)."""

import streamlit as st

st.title("Nothing")
