"""The secret id by which a browser is known again: its cookie, or that of its session."""

from __future__ import annotations

import hmac
import uuid

import streamlit as st
from starlette.requests import Request

from aecore.limits import is_public
from ui.kit.visitor_cookie import VISITOR_COOKIE, read_visitor_id

SESSION_ID = "visitor-id"  # of the session state


def read_visitor_cookie() -> str:
    """Returns the random id that this browser keeps; empty where it keeps no cookies."""
    return st.context.cookies.get(VISITOR_COOKIE, "")


def get_browser_id() -> str:
    """Returns the secret id of this browser; where it keeps no cookies, that of the session."""
    session: str = st.session_state.setdefault(SESSION_ID, uuid.uuid4().hex)
    return read_visitor_cookie() or session


def read_page_cookie() -> str:
    """Returns the cookie to which what a page may do is bound; empty on one's own machine."""
    return read_visitor_cookie() if is_public() else ""


def read_request_cookie(request: Request) -> str:
    """Returns the cookie of a request, to be held against that of the page that it comes from."""
    return read_visitor_id(request.headers) if is_public() else ""


def is_same_cookie(first: str, second: str) -> bool:
    """Compares two cookies in a time that tells nothing about them."""
    return hmac.compare_digest(first.encode(), second.encode())
