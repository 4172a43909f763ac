"""The left half of the Hub page: find a model, and pull it into a run."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from aecore.hub.pretrained import describe_pictures
from aecore.hub.pull import pull_run
from aecore.hub.repositories import HubModel, search_models
from aecore.names import escape_name
from aecore.runs.listing import has_sound_config, name_pulled_run, runs_folder
from aecore.runs.run import Run
from aecore.runs.storage import reserve_storage
from ui.kit.cache import load_cached_data
from ui.kit.hub_account import start_hub_job
from ui.kit.jobs import forget_jobs, is_job_running, poll_job
from ui.kit.runs import format_variant, show_run_links
from ui.kit.visitor import get_visitor, map_own_sets, name_own_sets

SAMPLE_LABEL = "sample photographs"


def show_pull() -> None:
    """Show the search, a form for a known name, and what has arrived."""
    st.subheader("Pull", anchor=False)
    show_model_search()
    show_pull_by_name()
    show_pulled()


def show_model_search() -> None:
    """Show a search for models of this library by a word in their name."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    text = left.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="mnist",
        help="Looks for models tagged aecore whose name holds this.",
    )
    is_busy = is_job_running("search")
    if right.button("Search", icon=":material/search:", width="stretch", disabled=is_busy):
        start_hub_job("search", lambda token: search_models(text, token=token))
        st.rerun()  # which draws the button as it is while the job runs
    models = poll_job("search", "Searching ...").result
    if models == []:
        st.info("No model of this library has such a name.", icon=":material/search_off:")
    for model in models or []:
        show_found_model(model)


def show_found_model(model: HubModel) -> None:
    """Show a model of the Hub, with a button that pulls it."""
    left, right = st.columns([2, 1], vertical_alignment="center")
    updated = f", {model.updated:%d %b %Y}" if model.updated else ""
    about = escape_name(f"{format_variant(model.variant)}{updated}, {model.downloads:,} downloads")
    left.markdown(f"**{escape_name(model.repo)}** :gray[{about}]")
    right.button(
        "Pull",
        key=f"pull-{model.repo}",
        icon=":material/download:",
        on_click=begin_pull,
        args=(model.repo, None),
        width="stretch",
        disabled=is_job_running("pull"),
    )


def show_pull_by_name() -> None:
    """Show a form that pulls a model by its name and revision."""
    with st.form("pull_form", border=False):
        left, right = st.columns([2, 1])
        repo = left.text_input("Repository", placeholder="user/name", key="pull_repo")
        revision = right.text_input(
            "Revision",
            placeholder="main",
            key="pull_revision",
            help="A branch, a tag or a commit's id. Empty: the newest.",
        )
        own_set = choose_shown_set()
        is_busy = is_job_running("pull")
        if st.form_submit_button(
            "Pull", icon=":material/download:", type="primary", disabled=is_busy
        ):
            begin_pull(repo.strip(), revision.strip() or None, own_set)
            st.rerun()  # which draws the buttons as they are while the job runs


def choose_shown_set() -> str:
    """Show a select box over the visitor's sets; return a token, empty for sample photographs."""
    sets = name_own_sets()
    return st.selectbox(
        "Pictures",
        ["", *sets],
        key="pull_pictures",
        format_func=lambda token: sets.get(token, SAMPLE_LABEL),
        help="For an autoencoder of diffusers (AutoencoderKL, AutoencoderTiny): what pages show it "
        "on, and how large its pictures are. A run that was pushed has data of its own.",
    )


def begin_pull(repo: str, revision: str | None, own_set: str = "") -> None:
    """Begin to pull a model into a run of its own.

    `own_set` is the token of the visitor's set on which a pretrained one is to be shown; empty for
    sample photographs.
    """
    source = repo.replace("/", "--") + (f"@{revision}" if revision else "")
    folder = runs_folder() / name_pulled_run(re.sub(r"[^\w.@-]+", "-", source))
    visitor, sets = get_visitor(), map_own_sets()
    config = sets[own_set].config() if own_set in sets else None

    def pull(token: str | bool) -> Path:
        pictures = describe_pictures(config, load_cached_data(config)) if config else None
        with reserve_storage(visitor) as storage:
            return pull_run(
                repo,
                revision=revision,
                token=token,
                out=folder,
                owner=visitor.owner,
                reserve=storage.take,
                pictures=pictures,
            )

    start_hub_job("pull", pull)


def show_pulled() -> None:
    """Show the run that has arrived, and the pages on which to look at it."""
    folder = poll_job("pull", "Pulling ...").result
    if folder is None:
        return
    run = Run(folder)
    if not has_sound_config(run):  # deleted since
        forget_jobs(["pull"])
        return
    st.success(f"**{escape_name(run.id)}** is here.", icon=":material/download_done:")
    with st.container(horizontal=True):
        show_run_links(run)
