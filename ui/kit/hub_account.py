"""The visitor's account on the Hub: signing in, and the token and name of this session."""

from __future__ import annotations

import os

import streamlit as st

from aecore.hub.client import hub_endpoint
from aecore.hub.repositories import name_of_token
from aecore.names import escape_name
from ui.kit.jobs import (
    forget_jobs,
    leave_session_jobs,
    poll_job,
    read_job_outcome,
    start_job,
)

HUB_JOBS = ("whoami", "search", "pull", "push", "publish", "zip", "jobs", "bring")  # with a token
TOKEN_HELP = (
    "Only for pushing and for private models. It stays in this session's memory, is never written"
    " down, and is forgotten when you close the page. Make one under Settings, Access Tokens."
)


def get_hub_token() -> str | bool:
    """Returns this visitor's token, or False; never the token of this machine."""
    if st.user.get("is_logged_in"):
        return str(st.user.tokens["access"])
    return st.session_state.get("token") or False


def get_hub_name() -> str:
    """Returns the visitor's name on the Hub; empty where it is not known."""
    name = st.user.get("preferred_username") or read_job_outcome("whoami").result
    return name if isinstance(name, str) else ""


def show_sign_in() -> None:
    """Show who the visitor is on the Hub, or how to sign in.

    A token stays in this session's memory and nowhere else.
    """
    if hub_endpoint() != "https://huggingface.co":
        st.caption(f"Hub: {hub_endpoint()}")
    if os.environ.get("OAUTH_CLIENT_ID"):
        offer_login()
    elif get_hub_token():
        show_account()
    else:
        show_token_form()


def show_token_form() -> None:
    """Ask for a token; show why the last one was refused."""
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
            st.session_state["token"] = token.strip()
            start_job("whoami", lambda: name_of_token(token))
            st.rerun()
    poll_job("whoami", "")


def show_account() -> None:
    """Show whose token it is; a token that is refused is forgotten."""
    outcome = poll_job("whoami", "Asking the Hub who this is ...")
    if outcome.result:
        st.success(
            f"Signed in as **{escape_name(outcome.result)}**.", icon=":material/verified_user:"
        )
    elif outcome.state == "failed":
        st.session_state.pop("token")
        st.rerun()  # to the form, with the sentence below it
    st.button("Forget the token", icon=":material/logout:", on_click=forget_account)


def offer_login() -> None:
    """Offer to sign in with Hugging Face on a Space, or show who is signed in."""
    if st.user.get("is_logged_in"):
        name = st.user.get("preferred_username")
        st.success(f"Signed in as **{escape_name(str(name))}**.", icon=":material/verified_user:")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
        return
    host = os.environ.get("SPACE_HOST")
    if host and "_streamlit_xsrf" not in st.context.cookies:
        # a frame of another site keeps no cookies, so a login could not be kept
        st.link_button(
            "Open the full page to sign in", f"https://{host}/hub", icon=":material/open_in_new:"
        )
        return
    st.button(
        "Sign in with Hugging Face",
        icon=":material/login:",
        on_click=st.login,
        args=("huggingface",),
    )


def forget_account() -> None:
    """Clear the token, and what was found, pulled and pushed with it."""
    st.session_state.pop("token", None)
    st.session_state.pop("token_field", None)
    leave_session_jobs()
    forget_jobs(HUB_JOBS)
