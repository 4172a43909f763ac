"""Errors where their cause is, and the theme of the page."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError


def show_error(error: AecoreError) -> None:
    """An error where its cause is."""
    st.error(str(error), icon=":material/error:")


def is_dark_theme() -> bool:
    return st.context.theme.type == "dark"
