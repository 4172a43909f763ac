"""Errors where their cause is, and the theme of the page."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError


def show_error(error: AecoreError) -> None:
    """Show an error in red, where its cause is."""
    st.error(str(error), icon=":material/error:")


def show_note(text: str) -> None:
    """Show a remark in small type; nothing where it is empty."""
    if text:
        st.caption(f":material/info: {text}")


def is_dark_theme() -> bool:
    """Returns True where the visitor's theme is dark."""
    return st.context.theme.type == "dark"
