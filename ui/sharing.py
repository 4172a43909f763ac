"""What the Hub page does: sign in, find and pull, push. Long calls run in threads; tokens live in the session."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from aecore import hub, runs, static
from aecore.card import card
from aecore.errors import AecoreError
from aecore.hub_client import endpoint
from aecore.runs import Run
from ui import cache, state

POLL_SECONDS = 1.0
PLACES = (
    ("latent", "Latent map", "scatter_plot"),
    ("generate", "Generate", "auto_awesome"),
    ("compare", "Compare", "compare"),
)
JOBS = ("whoami", "search", "pull", "push", "publish", "zip", "places", "jobs", "bring")


# -- jobs of one visitor


def key(what: str) -> str:
    """A job's name, with this session in it: no visitor sees another's."""
    return f"{st.session_state.setdefault('visitor', uuid.uuid4().hex)}-{what}"


def begin(what: str, call: Callable[[], Any]) -> None:
    st.session_state.pop(f"result-{what}", None)
    cache.jobs().start(key(what), call)


def outcome(what: str, doing: str) -> Any:
    """The result of a job, kept for the session; None, with a spinner that looks again, while it runs."""
    if cache.jobs().is_running(key(what)):
        st.fragment(lambda: wait(what, doing), run_every=POLL_SECONDS)()
        return None
    if (result := cache.jobs().take(key(what))) is not None:  # after the look: a job that ends now is not missed
        st.session_state[f"result-{what}"] = result
    result = st.session_state.get(f"result-{what}")
    if isinstance(result, AecoreError):
        state.show_error(result)
        return None
    return result


def wait(what: str, doing: str) -> None:
    st.progress(0.0, text=f":material/hourglass_top: {doing}")
    if not cache.jobs().is_running(key(what)):
        st.rerun()


# -- sign in


def token() -> str | bool:
    """This visitor's token, or False; never the machine's own."""
    if st.user.get("is_logged_in"):
        return str(st.user.tokens["access"])
    return st.session_state.get("token") or False


def sign_in() -> None:
    """Who the visitor is on the Hub; a token stays in this session's memory and nowhere else."""
    if endpoint() != "https://huggingface.co":
        st.caption(f"Hub: {endpoint()}")
    if os.environ.get("OAUTH_CLIENT_ID"):
        offer_login()
    elif not token():
        with st.form("token_form", border=False):
            typed = st.text_input(
                "Access token", type="password", key="token_field", autocomplete="off", placeholder="hf_...",
                help="Only for pushing and for private models. It stays in this session's memory, is never written"
                " down, and is forgotten when you close the page. Make one under Settings, Access Tokens.",
            )  # fmt: skip
            if st.form_submit_button("Use this token", icon=":material/key:") and typed:
                st.session_state["token"] = typed.strip()
                begin("whoami", lambda: hub.whoami(typed))
                st.rerun()
        outcome("whoami", "")
    else:
        name = outcome("whoami", "Asking the Hub who this is ...")
        if name:
            st.success(f"Signed in as **{name}**.", icon=":material/verified_user:")
        elif isinstance(st.session_state.get("result-whoami"), AecoreError):
            st.session_state.pop("token")
            st.rerun()  # to the form, with the sentence below it
        st.button("Forget the token", icon=":material/logout:", on_click=forget)


def offer_login() -> None:
    """Sign-in with Hugging Face, on a Space."""
    if not st.user.get("is_logged_in"):
        if "_streamlit_xsrf" not in st.context.cookies and (host := os.environ.get("SPACE_HOST")):
            st.link_button("Open the full page to sign in", f"https://{host}/hub", icon=":material/open_in_new:")
            return  # a frame of another site keeps no cookies, so a login could not be kept
        st.button("Sign in with Hugging Face", icon=":material/login:", on_click=st.login, args=("huggingface",))
        return
    st.success(f"Signed in as **{st.user.get('preferred_username')}**.", icon=":material/verified_user:")
    st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def forget() -> None:
    """Clear the token, and what was found, pulled and pushed with it."""
    for name in ("token", "token_field", "visitor", *(f"result-{what}" for what in JOBS)):
        st.session_state.pop(name, None)


# -- pull


def pull(repo: str, revision: str | None) -> None:
    """Begin to pull a model into a run of its own."""
    name = re.sub(r"[^\w.@-]+", "-", repo.replace("/", "--") + (f"@{revision}" if revision else ""))
    out, mine = runs.root() / name, token()
    begin("pull", lambda: hub.pull(repo, revision=revision, token=mine, out=out))


def search() -> None:
    """Models of this library, found by a word in their name."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    text = left.text_input("Search", key="search", bind="query-params", placeholder="mnist",
                           help="Looks for models tagged aecore whose name holds this.")  # fmt: skip
    if right.button("Search", icon=":material/search:", width="stretch"):
        mine = token()
        begin("search", lambda: hub.search(text, token=mine))
    found = outcome("search", "Searching ...")
    if found == []:
        st.info("No model of this library has such a name.", icon=":material/search_off:")
    for row in found or []:
        left, right = st.columns([2, 1], vertical_alignment="center")
        when = f", {row.updated:%d %b %Y}" if row.updated else ""
        left.markdown(f"**{row.repo}** :gray[{row.variant}{when}, {row.downloads:,} downloads]")
        right.button("Pull", key=f"pull-{row.repo}", icon=":material/download:", on_click=pull, args=(row.repo, None),
                     width="stretch")  # fmt: skip


def pull_by_name() -> None:
    with st.form("pull_form", border=False):
        left, right = st.columns([2, 1])
        repo = left.text_input("Repository", placeholder="user/name", key="pull_repo")
        revision = right.text_input("Revision", placeholder="main", key="pull_revision",
                                    help="A branch, a tag or a commit's id. Empty: the newest.")  # fmt: skip
        if st.form_submit_button("Pull", icon=":material/download:", type="primary"):
            pull(repo.strip(), revision.strip() or None)


def pulled() -> None:
    """What has arrived, and where to look at it."""
    folder = outcome("pull", "Pulling ...")
    if folder is None:
        return
    run = Run(folder)
    st.success(f"**{run.id}** is here.", icon=":material/download_done:")
    with st.container(horizontal=True):
        for page, label, icon in PLACES:
            params = {"runs": [run.id]} if page == "compare" else {"run": run.id}
            st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


# -- push


def push(known: list[Run]) -> None:
    """Choose a run and a name, see the card, push."""
    ids = [run.id for run in known]
    chosen = known[ids.index(st.selectbox("Run", ids, key="push_run") or ids[0])]
    suggested = f"{state.hub_name() or 'user'}/{chosen.id}"
    repo = st.text_input("Repository", suggested, key=f"push_repo-{suggested}", help="It is made if need be.")
    private = st.toggle("Private", key="push_private", help="Only you see it.")
    with st.expander("Its card", icon=":material/description:"):
        text = card(chosen.config(), chosen.test_metrics(), repo=repo, history=chosen.epochs())
        st.markdown(re.sub(r"^(#+ )", r"###\1", text.split("---\n", 2)[-1], flags=re.MULTILINE))
    if not token():
        st.caption("Sign in first: pushing needs a token that may write.")
    st.caption("The weights, the config, the curve and a few reconstructed test examples are published.")
    if st.button("Push", icon=":material/upload:", type="primary", disabled=not token()):
        mine, target = token(), repo.strip()
        begin("push", lambda: hub.push(chosen, target, token=mine, private=private))
    if address := outcome("push", "Pushing ..."):
        st.success(f"Pushed: [{address}]({address})", icon=":material/cloud_done:")
    publish(chosen, repo.strip(), private)


def publish(run: Run, repo: str, private: bool) -> None:
    """The explorer of a run as a page of its own: on the Hub, or as a folder to keep."""
    st.markdown("**Its explorer, as a page without a server**")
    st.caption("The map, the network and what one can do with them, in any browser: as a static Space, which needs no "
               "plan, or as files to keep.")  # fmt: skip
    row = st.container(horizontal=True, vertical_alignment="bottom")
    thumbnails = row.toggle("Show the inputs", key="publish_inputs",
                            help="Puts the data itself on the page: only where its licence allows that.")  # fmt: skip
    if row.button("Publish", icon=":material/public:", disabled=not token(), key="publish"):
        mine = token()
        begin("publish", lambda: hub.publish(run, repo, token=mine, private=private, thumbnails=thumbnails))
    if row.button("As a .zip", icon=":material/folder_zip:", key="publish_zip"):
        begin("zip", lambda: Zipped(run.id, static.zipped(run, thumbnails=thumbnails)))
    if address := outcome("publish", "Making the page ..."):
        st.success(f"Published: [{address}]({address})", icon=":material/public:")
    if isinstance(made := outcome("zip", "Making the page ..."), Zipped) and made.name == run.id:
        st.download_button(f"{made.name}.zip, {len(made.data) / 1e6:.1f} MB", made.data, f"{made.name}.zip",
                           "application/zip", icon=":material/download:", on_click="ignore",
                           help="Unpack it and open index.html.")  # fmt: skip


class Zipped(NamedTuple):
    """A page as a file."""

    name: str  # of its run
    data: bytes
