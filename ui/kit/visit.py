"""What each run of a page is framed by: its visitor is noted, and the sidebar shown."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from aecore.backends.local import continue_queue
from ui.kit.frame import report_address
from ui.kit.hub_account import follow_account, get_hub_token
from ui.kit.hub_handover import resume_handover
from ui.kit.jobs import note_page_run
from ui.kit.operator import offer_settings
from ui.kit.runs import show_live_runs, show_storage_problem
from ui.kit.sessions import note_session
from ui.kit.turns import TURNS
from ui.kit.visitor import get_visitor

HUB_PAGE = "hub"


def run_visit(show_content: Callable[[], object], address: str) -> None:
    """Show the content of the page at this address, when it is its visitor's turn."""
    note_page_run()
    if address != HUB_PAGE:
        resume_handover("hub.py")
    with TURNS.take(get_visitor().owner):
        continue_queue()
        follow_account()
        note_session(get_visitor().ids)
        with st.sidebar:
            show_live_runs()
            offer_settings()
        report_address()
        show_storage_problem()
        token = get_hub_token()
        show_content()
        if token and not get_hub_token():
            st.rerun()  # the Hub refused it while the page was drawn, which shows it as if it held
