"""The visitor's account on the Hub: signing in, and the token and name of this session."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import streamlit as st

from aecore.errors import LoginError
from aecore.hub.client import hub_endpoint
from aecore.hub.repositories import name_of_token
from aecore.names import escape_name
from ui.kit.browser_id import get_browser_id
from ui.kit.hub_accounts import SIGN_IN_SECONDS, HubAccount, get_hub_accounts
from ui.kit.hub_handover import (
    find_handover,
    is_framed,
    offer_handover,
    show_handover,
    show_handover_end,
    show_sign_in_button,
    take_handover,
)
from ui.kit.jobs import (
    drop_jobs,
    poll_job,
    read_job_outcome,
    start_job,
)
from ui.kit.sessions import get_session_id

HUB_JOBS = ("search", "pull", "push", "publish", "zip", "jobs", "bring")  # with a token
TOKEN_KEY, RESULTS_KEY = "token", "hub-results-of"
TOKEN_HELP = (
    "Only for pushing and for private models. It stays in this session's memory, is never written"
    " down, and is forgotten when you close the page. Make one under Settings, Access Tokens."
)


# -- who is signed in


def get_hub_token() -> str | bool:
    """Returns this visitor's token, or False; never the token of this machine."""
    account = find_hub_account()
    token: str = account.token if account else st.session_state.get(TOKEN_KEY, "")
    return token if token and not get_hub_accounts().is_ended(token) else False


def get_hub_name() -> str:
    """Returns the visitor's name on the Hub; empty where it is not known."""
    if not get_hub_token():
        return ""
    account = find_hub_account()
    name = account.name if account else read_job_outcome("whoami").result
    return name if isinstance(name, str) else ""


def find_hub_account() -> HubAccount | None:
    """Returns the account that signed in with Hugging Face: in this tab, or for this frame."""
    if account := read_own_account():
        return account
    return get_hub_accounts().find(get_browser_id(), get_session_id())


def read_own_account() -> HubAccount | None:
    """Returns the account of this tab's own sign-in, while its token lives."""
    if not st.user.get("is_logged_in"):
        return None
    accounts, token = get_hub_accounts(), str(st.user.tokens["access"])
    now = accounts.clock()
    ends = float(str(st.user.get("iat") or now)) + SIGN_IN_SECONDS
    if ends <= now or accounts.is_ended(token):
        return None
    return HubAccount(str(st.user.get("preferred_username") or ""), token, ends)


def follow_account() -> None:
    """Takes over an account from another tab; forgets the results of the account before it."""
    if account := take_handover():
        get_hub_accounts().keep(get_browser_id(), get_session_id(), account)
        forget_results()  # also of the same account: they may say that it must sign in
    if name := get_hub_name():
        if st.session_state.get(RESULTS_KEY, name) != name:
            forget_results()
        st.session_state[RESULTS_KEY] = name


def start_hub_job(name: str, call: Callable[[str | bool], Any]) -> None:
    """Starts a job that is given the visitor's token; one that the Hub refuses counts no more."""
    token, accounts = get_hub_token(), get_hub_accounts()

    def work() -> Any:
        try:
            return call(token)
        except LoginError:
            if isinstance(token, str):
                accounts.end(token)
            raise

    start_job(name, work)


# -- signing in


def show_sign_in() -> None:
    """Show who the visitor is on the Hub, or how to sign in.

    Nothing follows it on a page that was opened to sign in for another one. A token stays in the
    memory of this server and nowhere else.
    """
    if hub_endpoint() != "https://huggingface.co":
        st.caption(f"Hub: {hub_endpoint()}")
    show_handover_end()
    if handover := find_handover():
        show_handover(handover, read_own_account())
        st.stop()
    if os.environ.get("OAUTH_CLIENT_ID"):
        offer_login()
    elif get_hub_token():
        show_account()
    else:
        show_token_form()


def show_token_form() -> None:
    """Ask for a token; show why the last one was refused."""
    st.session_state.pop(TOKEN_KEY, None)  # one that counts no more
    if st.session_state.get(RESULTS_KEY):
        show_end_of_sign_in()
    with st.form("token_form", border=False):
        token = st.text_input(
            "Access token",
            type="password",
            key="token_field",
            autocomplete="off",
            placeholder="hf_...",
            help=TOKEN_HELP,
        )
        if st.form_submit_button("Use this token", icon=":material/key:") and token:
            enter_token(token.strip())
            st.rerun()
    poll_job("whoami", "")


def enter_token(token: str) -> None:
    """Take a token that was entered, and ask the Hub whose it is."""
    forget_results()
    drop_jobs(["whoami"])
    st.session_state[TOKEN_KEY] = token
    get_hub_accounts().renew(token)
    start_hub_job("whoami", name_of_token)


def show_account() -> None:
    """Show whose token it is; a token that is refused is forgotten."""
    outcome = poll_job("whoami", "Asking the Hub who this is ...")
    if outcome.result:
        st.success(
            f"Signed in as **{escape_name(outcome.result)}**.", icon=":material/verified_user:"
        )
    elif outcome.state == "failed":
        st.session_state.pop(TOKEN_KEY, None)
        st.rerun()  # to the form, with the sentence below it
    st.button("Forget the token", icon=":material/logout:", on_click=sign_out)


def offer_login() -> None:
    """Offer to sign in with Hugging Face on a Space, or show who is signed in."""
    if account := find_hub_account():
        name = escape_name(account.name)
        st.success(f"Signed in as **{name}**.", icon=":material/verified_user:")
        st.button("Sign out", icon=":material/logout:", on_click=sign_out)
        return
    if st.user.get("is_logged_in") or st.session_state.get(RESULTS_KEY):
        show_end_of_sign_in()
    if is_framed():
        offer_handover()
    else:
        show_sign_in_button()


def show_end_of_sign_in() -> None:
    """Says that the visitor was signed in, and is no more."""
    st.info("You are no longer signed in. Sign in again.", icon=":material/login:")


def sign_out() -> None:
    """End the sign-in, in this tab and where it was handed over; clear what was done with it."""
    if isinstance(token := get_hub_token(), str):
        get_hub_accounts().end(token)
    st.session_state.pop(TOKEN_KEY, None)
    st.session_state.pop("token_field", None)
    forget_results()
    drop_jobs(["whoami"])
    if st.user.get("is_logged_in"):
        st.logout()


def forget_results() -> None:
    """Clear what was found, pulled and pushed by the account that was signed in."""
    st.session_state.pop(RESULTS_KEY, None)
    drop_jobs(HUB_JOBS)
