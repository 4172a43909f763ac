"""Home: what each variant is, its formula, its parts with their source, and a model at work."""

from __future__ import annotations

import streamlit as st

from ui.home.sections import choose_variant, show_parts, show_summary, show_variant_at_work

st.title("Autoencoder Lab")
st.markdown(
    "Train any autoencoder, see what it learned, share it. **Choose a variant** and watch it "
    "rebuild digits."
)
variant = choose_variant()
left, right = st.columns(2, gap="large")
with left:
    show_summary(variant)
with right:
    show_variant_at_work(variant)
show_parts(variant)
