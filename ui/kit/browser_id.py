"""The secret id by which a browser is known again: its cookie, or that of its session."""

from __future__ import annotations

import uuid

import streamlit as st

from aecore.limits import is_public
from ui.kit.visitor_cookie import VISITOR_COOKIE

SESSION_ID = "visitor-id"  # of the session state


def read_visitor_cookie() -> str:
    """Returns the random id that this browser keeps; empty at home, and where it keeps none."""
    return st.context.cookies.get(VISITOR_COOKIE, "") if is_public() else ""


def get_browser_id() -> str:
    """Returns the secret id of this browser; where it keeps no cookies, that of the session."""
    session: str = st.session_state.setdefault(SESSION_ID, uuid.uuid4().hex)
    return read_visitor_cookie() or session
