"""Errors and remarks where their cause is."""

from __future__ import annotations

import re

import streamlit as st

from aecore.errors import AecoreError, LoginError
from aecore.limits import is_public
from aecore.names import escape_markdown

MAX_ERROR_LENGTH = 1000
# The folders of a path, which begins at the root of this machine or is that of a brought set
FOLDERS = re.compile(r"(?<![\w:/.])(?:/(?:[^\s/'\"]+/)+|(?:[\w.-]+/)*\.own/[\w-]{16}/)")


def show_error(error: AecoreError | str) -> None:
    """Show an error in red, where its cause is; what it quotes is shown as text.

    A login that ended is no error, but a way to sign in again.
    """
    if isinstance(error, LoginError):
        st.info(format_problem(error), icon=":material/login:")
        st.page_link("hub.py", label="Sign in again", icon=":material/login:")
    else:
        st.error(format_problem(error), icon=":material/error:")


def show_warning(error: AecoreError | str, icon: str = "warning") -> None:
    """Show in yellow what went wrong, where the page goes on; what it quotes is shown as text."""
    st.warning(format_problem(error), icon=f":material/{icon}:")


def show_error_toast(error: AecoreError | str) -> None:
    """Show for a moment why a button did nothing."""
    st.toast(format_problem(error), icon=":material/error:")


def show_note(text: str, icon: str = "info") -> None:
    """Show a remark in small type, as text; nothing where it is empty."""
    if text:
        st.caption(f":material/{icon}: {format_problem(text)}")


def format_problem(error: AecoreError | str) -> str:
    """Returns a sentence as Markdown that shows it as it is, without folders on a public Space."""
    return escape_markdown(hide_folders(str(error)[:MAX_ERROR_LENGTH]))


def hide_folders(text: str) -> str:
    """Returns a text in which paths have lost their folders, on a public Space; else as it is."""
    return FOLDERS.sub("", text) if is_public() else text
