"""The settings of a public Space: what one visitor may use, and becoming its operator.

A session becomes the operator's by AECORE_OPERATOR_TOKEN. Guessing it is slow: a session has few
tries, and after each wrong one, of whomever, the next must wait twice as long.
"""

from __future__ import annotations

import math
import os
import threading
import time

import pandas as pd
import streamlit as st

from aecore.limits import LIMITS, is_public, read_limit
from ui.kit.messages import show_error
from ui.kit.visitor import become_operator, get_visitor

SESSION_TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds
TRIES_KEY = "operator-tries"  # of the session: how many tokens were wrong


class TokenGate:
    """The wrong tokens of all sessions, and from when on the next may be tried."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.failures = 0
        self.opens_at = -math.inf  # by the monotonic clock

    def enter(self, now: float) -> float:
        """Returns 0 where a token may be tried now, else the seconds to wait.

        A try counts as wrong until `welcome`, so that tries at one moment wait for each other.
        """
        with self.guard:
            if now < self.opens_at:
                return self.opens_at - now
            if now - self.opens_at > LONGEST_WAIT:
                self.failures = 0
            self.opens_at = now + min(LONGEST_WAIT, FIRST_WAIT * 2**self.failures)
            self.failures += 1
            return 0.0

    def welcome(self) -> None:
        """Forgets the wrong tokens: the last one was right."""
        with self.guard:
            self.failures, self.opens_at = 0, -math.inf


token_gate = TokenGate()


def try_operator_token(token: str) -> str:
    """Makes this session the operator's; returns why not, a sentence, where that fails."""
    tries = st.session_state.get(TRIES_KEY, 0)
    if tries >= SESSION_TRIES:
        return "No more tries in this session."
    if wait := token_gate.enter(time.monotonic()):
        return f"Somebody gave a wrong token. Try again in {math.ceil(wait)} seconds."
    if not become_operator(token):
        st.session_state[TRIES_KEY] = tries + 1
        return "This is not the operator's token."
    token_gate.welcome()
    st.session_state.pop(TRIES_KEY, None)
    return ""


# -- the dialog


def offer_settings() -> None:
    """Show, where visitors are strangers, a button that opens the settings."""
    if is_public() and st.button("Settings", icon=":material/settings:", type="tertiary"):
        st.dialog("Settings", icon=":material/settings:")(show_settings)()


def show_settings() -> None:
    """Show what one visitor may use; ask for the operator's token where there is one."""
    st.markdown("**Limits** of this public lab. Without them, run it on your own machine.")
    st.dataframe(list_limits(), hide_index=True, alt="The limits of this lab")
    if get_visitor().is_operator:
        st.success("You are the operator of this session.", icon=":material/verified_user:")
        if st.button("Leave", icon=":material/logout:", key="operator-leave"):
            become_operator("")
            st.rerun()
    elif os.environ.get("AECORE_OPERATOR_TOKEN"):
        show_operator_form()


def show_operator_form() -> None:
    """Ask for the operator's token."""
    with st.form("operator_form", border=False, clear_on_submit=True):
        token = st.text_input(
            "Operator's token",
            type="password",
            autocomplete="off",
            help="AECORE_OPERATOR_TOKEN, as it was set where this server was started.",
        )
        if st.form_submit_button("Become the operator", icon=":material/key:") and token:
            if problem := try_operator_token(token):
                show_error(problem)
            else:
                st.rerun()


def list_limits() -> pd.DataFrame:
    """Returns a row for each limit that is set: how much, of what."""
    values = {limit.text: read_limit(name) for name, limit in LIMITS.items()}
    rows = [(f"{value:,.12g}", text) for text, value in values.items() if not math.isinf(value)]
    return pd.DataFrame(rows, columns=["at most", "of"])
