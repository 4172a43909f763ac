"""Runs on a page: choosing one or several, their state as a badge, the ones under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from aecore.model.config import RunConfig
from aecore.model.variants import VARIANTS
from aecore.runs.listing import SHIPPED_FOLDER, has_sound_config, is_shipped_run, list_runs
from aecore.runs.run import LIVE_STATES, Run
from ui.kit.visitor import is_mine


def has_same_inputs(a: RunConfig, b: RunConfig) -> bool:
    names = [c.data.name if c.data else None for c in (a, b)]
    return a.model.input_shape == b.model.input_shape and names[0] == names[1]


STATE_ICONS = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "lost": ":material/help:",
}
STATE_BADGES = {
    "queued": "gray",
    "running": "blue",
    "done": "green",
    "stopped": "orange",
    "failed": "red",
    "lost": "red",
}


def list_usable_runs() -> list[Run]:
    """Runs whose config is sound and whose weights are there."""
    return [
        run for run in list_runs() if run.has_model() and has_sound_config(run) and is_mine(run)
    ]


def choose_run(
    fits: Callable[[Run], bool] = lambda run: True, first: str = "mnist-vae", label: str = "Run"
) -> Run:
    """A select box over the runs that fit, bound to ?run=; stops the page where there are none.

    It begins with the newest of the user's own, else with the shipped run `first`.
    """
    known = {run.id: run for run in list_usable_runs() if fits(run)}
    if not known:
        st.info(
            "No run has a model yet. Train one, or pull one from the Hub.", icon=":material/info:"
        )
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
        st.stop()
    asked = st.query_params.get("run")
    if asked and asked not in known:
        st.warning(
            f"There is no run {asked[:80]!r} with a model here. Choose another.",
            icon=":material/search_off:",
        )
    ids = list(known)
    if st.session_state.get("run", ids[0]) not in ids:  # the last page took other runs
        del st.session_state["run"]
    chosen = st.selectbox(
        label, ids, index=ids.index(pick_default_run(ids, first)), key="run", bind="query-params"
    )
    return known[chosen or ids[0]]


def takes_pictures(run: Run) -> bool:
    return len(run.config().model.input_shape) == 3


def choose_runs(
    fits: Callable[[Run], bool], first: list[str], most: int = 4, place: Any = st
) -> list[Run]:
    """Several runs that fit, bound to ?runs=; the newest of the user's own to begin with, else the shipped `first`."""
    known = {run.id: run for run in list_usable_runs() if fits(run)}
    if not known:
        st.info("No run fits this page. Train one.", icon=":material/info:")
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
        st.stop()
    ids = list(known)
    start = (
        [name for name in first if name in known] if is_shipped_run(known[ids[0]].path) else ids[:1]
    )
    chosen = place.multiselect(
        "Runs", ids, start or ids[:1], key="runs", bind="query-params", max_selections=most
    )
    return [known[name] for name in chosen or start or ids[:1]]


def pick_default_run(ids: list[str], first: str) -> str:
    """The newest of the user's own, else the shipped one that has something to show there."""
    return first if first in ids and is_shipped_run(SHIPPED_FOLDER / ids[0]) else ids[0]


def format_state_badge(run: Run) -> str:
    """The run's state as a coloured badge in Markdown."""
    state = run.state().state
    return f":{STATE_BADGES[state]}-badge[{STATE_ICONS[state]} {state}]"


def show_live_runs() -> None:
    """The runs under way, each a link, for the sidebar."""
    live = [run for run in list_runs() if run.state().state in LIVE_STATES and is_mine(run)]
    for run in live[:5]:
        st.page_link(
            "train.py",
            label=run.id,
            icon=STATE_ICONS[run.state().state],
            query_params={"run": run.id},
        )


def get_variant_label(run: Run) -> str:
    """The variant's name for people."""
    name = run.config().model.variant
    return VARIANTS[name].label if name in VARIANTS else name
