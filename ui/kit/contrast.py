"""Contrast of 4.5 : 1 where Streamlit's theme cannot give it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STYLES = Path(__file__).with_suffix(".css")


def mend_contrast() -> None:
    """Let all that Streamlit writes be readable, in both themes; shows nothing."""
    st.html(STYLES)
