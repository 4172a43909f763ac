"""The visitor's account on the Hub: signing in, the token of this session, and calls that take long."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import streamlit as st

from aecore.errors import AecoreError
from aecore.hub.client import hub_endpoint
from aecore.hub.repositories import name_of_token
from ui.kit.jobs import background_jobs
from ui.kit.messages import show_error

HUB_POLL_SECONDS = 1.0
ANSWER_NAMES = ("whoami", "search", "pull", "push", "publish", "zip", "places", "jobs", "bring")


# -- jobs of one visitor


def session_key(what: str) -> str:
    """A job's name, with this session in it: no visitor sees another's."""
    return f"{st.session_state.setdefault('visitor', uuid.uuid4().hex)}-{what}"


def begin_hub_job(what: str, call: Callable[[], Any]) -> None:
    st.session_state.pop(f"result-{what}", None)
    background_jobs().start(session_key(what), call)


def hub_job_outcome(what: str, doing: str) -> Any:
    """The result of a job, kept for the session; None, with a spinner that looks again, while it runs."""
    if background_jobs().is_running(session_key(what)):
        st.fragment(lambda: wait_for_hub_job(what, doing), run_every=HUB_POLL_SECONDS)()
        return None
    if (
        result := background_jobs().take(session_key(what))
    ) is not None:  # after the look: a job that ends now is not missed
        st.session_state[f"result-{what}"] = result
    result = st.session_state.get(f"result-{what}")
    if isinstance(result, AecoreError):
        show_error(result)
        return None
    return result


def wait_for_hub_job(what: str, doing: str) -> None:
    st.progress(0.0, text=f":material/hourglass_top: {doing}")
    if not background_jobs().is_running(session_key(what)):
        st.rerun()


# -- sign in


def get_hub_token() -> str | bool:
    """This visitor's token, or False; never the machine's own."""
    if st.user.get("is_logged_in"):
        return str(st.user.tokens["access"])
    return st.session_state.get("token") or False


def show_sign_in() -> None:
    """Who the visitor is on the Hub; a token stays in this session's memory and nowhere else."""
    if hub_endpoint() != "https://huggingface.co":
        st.caption(f"Hub: {hub_endpoint()}")
    if os.environ.get("OAUTH_CLIENT_ID"):
        offer_login()
    elif not get_hub_token():
        with st.form("token_form", border=False):
            typed = st.text_input(
                "Access token",
                type="password",
                key="token_field",
                autocomplete="off",
                placeholder="hf_...",
                help="Only for pushing and for private models. It stays in this session's memory, is never written"
                " down, and is forgotten when you close the page. Make one under Settings, Access Tokens.",
            )
            if st.form_submit_button("Use this token", icon=":material/key:") and typed:
                st.session_state["token"] = typed.strip()
                begin_hub_job("whoami", lambda: name_of_token(typed))
                st.rerun()
        hub_job_outcome("whoami", "")
    else:
        name = hub_job_outcome("whoami", "Asking the Hub who this is ...")
        if name:
            st.success(f"Signed in as **{name}**.", icon=":material/verified_user:")
        elif isinstance(st.session_state.get("result-whoami"), AecoreError):
            st.session_state.pop("token")
            st.rerun()  # to the form, with the sentence below it
        st.button("Forget the token", icon=":material/logout:", on_click=forget_account)


def offer_login() -> None:
    """Sign-in with Hugging Face, on a Space."""
    if not st.user.get("is_logged_in"):
        if "_streamlit_xsrf" not in st.context.cookies and (host := os.environ.get("SPACE_HOST")):
            st.link_button(
                "Open the full page to sign in",
                f"https://{host}/hub",
                icon=":material/open_in_new:",
            )
            return  # a frame of another site keeps no cookies, so a login could not be kept
        st.button(
            "Sign in with Hugging Face",
            icon=":material/login:",
            on_click=st.login,
            args=("huggingface",),
        )
        return
    st.success(
        f"Signed in as **{st.user.get('preferred_username')}**.", icon=":material/verified_user:"
    )
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def forget_account() -> None:
    """Clear the token, and what was found, pulled and pushed with it."""
    for name in ("token", "token_field", "visitor", *(f"result-{what}" for what in ANSWER_NAMES)):
        st.session_state.pop(name, None)
