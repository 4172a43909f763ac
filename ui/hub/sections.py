"""The sections of the Hub page: search, pull, push, publish."""

from __future__ import annotations

import re
from typing import NamedTuple

import streamlit as st

from aecore.explorer.static_page import zip_static_page
from aecore.hub.pull import pull_run
from aecore.hub.push import push_run
from aecore.hub.repositories import search_models
from aecore.hub.spaces import publish_explorer
from aecore.runs.card import format_card
from aecore.runs.listing import runs_folder
from aecore.runs.run import Run
from ui.kit.hub_account import begin_hub_job, get_hub_token, hub_job_outcome
from ui.kit.visitor import get_hub_name

ANSWER_PLACES = (
    ("latent", "Latent map", "scatter_plot"),
    ("generate", "Generate", "auto_awesome"),
    ("compare", "Compare", "compare"),
)


# -- pull


def begin_pull(repo: str, revision: str | None) -> None:
    """Begin to pull a model into a run of its own."""
    name = re.sub(r"[^\w.@-]+", "-", repo.replace("/", "--") + (f"@{revision}" if revision else ""))
    out, mine = runs_folder() / name, get_hub_token()
    begin_hub_job("pull", lambda: pull_run(repo, revision=revision, token=mine, out=out))


def show_model_search() -> None:
    """Models of this library, found by a word in their name."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    text = left.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="mnist",
        help="Looks for models tagged aecore whose name holds this.",
    )
    if right.button("Search", icon=":material/search:", width="stretch"):
        mine = get_hub_token()
        begin_hub_job("search", lambda: search_models(text, token=mine))
    found = hub_job_outcome("search", "Searching ...")
    if found == []:
        st.info("No model of this library has such a name.", icon=":material/search_off:")
    for row in found or []:
        left, right = st.columns([2, 1], vertical_alignment="center")
        when = f", {row.updated:%d %b %Y}" if row.updated else ""
        left.markdown(f"**{row.repo}** :gray[{row.variant}{when}, {row.downloads:,} downloads]")
        right.button(
            "Pull",
            key=f"pull-{row.repo}",
            icon=":material/download:",
            on_click=begin_pull,
            args=(row.repo, None),
            width="stretch",
        )


def show_pull_by_name() -> None:
    with st.form("pull_form", border=False):
        left, right = st.columns([2, 1])
        repo = left.text_input("Repository", placeholder="user/name", key="pull_repo")
        revision = right.text_input(
            "Revision",
            placeholder="main",
            key="pull_revision",
            help="A branch, a tag or a commit's id. Empty: the newest.",
        )
        if st.form_submit_button("Pull", icon=":material/download:", type="primary"):
            begin_pull(repo.strip(), revision.strip() or None)


def show_pulled() -> None:
    """What has arrived, and where to look at it."""
    folder = hub_job_outcome("pull", "Pulling ...")
    if folder is None:
        return
    run = Run(folder)
    st.success(f"**{run.id}** is here.", icon=":material/download_done:")
    with st.container(horizontal=True):
        for page, label, icon in ANSWER_PLACES:
            params = {"runs": [run.id]} if page == "compare" else {"run": run.id}
            st.page_link(f"{page}.py", label=label, icon=f":material/{icon}:", query_params=params)


# -- push


def show_push(known: list[Run]) -> None:
    """Choose a run and a name, see the card, push."""
    ids = [run.id for run in known]
    chosen = known[ids.index(st.selectbox("Run", ids, key="push_run") or ids[0])]
    suggested = f"{get_hub_name() or 'user'}/{chosen.id}"
    repo = st.text_input(
        "Repository", suggested, key=f"push_repo-{suggested}", help="It is made if need be."
    )
    private = st.toggle("Private", key="push_private", help="Only you see it.")
    with st.expander("Its card", icon=":material/description:"):
        text = format_card(
            chosen.config(), chosen.test_metrics(), repo=repo, history=chosen.epochs()
        )
        st.markdown(re.sub(r"^(#+ )", r"###\1", text.split("---\n", 2)[-1], flags=re.MULTILINE))
    if not get_hub_token():
        st.caption("Sign in first: pushing needs a token that may write.")
    st.caption(
        "The weights, the config, the curve and a few reconstructed test examples are published."
    )
    if st.button("Push", icon=":material/upload:", type="primary", disabled=not get_hub_token()):
        mine, target = get_hub_token(), repo.strip()
        begin_hub_job("push", lambda: push_run(chosen, target, token=mine, private=private))
    if address := hub_job_outcome("push", "Pushing ..."):
        st.success(f"Pushed: [{address}]({address})", icon=":material/cloud_done:")
    show_publish(chosen, repo.strip(), private)


def show_publish(run: Run, repo: str, private: bool) -> None:
    """The explorer of a run as a page of its own: on the Hub, or as a folder to keep."""
    st.markdown("**Its explorer, as a page without a server**")
    st.caption(
        "The map, the network and what one can do with them, in any browser: as a static Space, which needs no "
        "plan, or as files to keep."
    )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    thumbnails = row.toggle(
        "Show the inputs",
        key="publish_inputs",
        help="Puts the data itself on the page: only where its licence allows that.",
    )
    if row.button("Publish", icon=":material/public:", disabled=not get_hub_token(), key="publish"):
        mine = get_hub_token()
        begin_hub_job(
            "publish",
            lambda: publish_explorer(run, repo, token=mine, private=private, thumbnails=thumbnails),
        )
    if row.button("As a .zip", icon=":material/folder_zip:", key="publish_zip"):
        begin_hub_job(
            "zip", lambda: ZippedPage(run.id, zip_static_page(run, thumbnails=thumbnails))
        )
    if address := hub_job_outcome("publish", "Making the page ..."):
        st.success(f"Published: [{address}]({address})", icon=":material/public:")
    if (
        isinstance(made := hub_job_outcome("zip", "Making the page ..."), ZippedPage)
        and made.name == run.id
    ):
        st.download_button(
            f"{made.name}.zip, {len(made.data) / 1e6:.1f} MB",
            made.data,
            f"{made.name}.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            help="Unpack it and open index.html.",
        )


class ZippedPage(NamedTuple):
    """A page as a file."""

    name: str  # of its run
    data: bytes
