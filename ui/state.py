"""What outlives a page: the chosen runs, in the address; and what pages say about runs alike.

Widgets whose key is also an address parameter are bound to it, so a link opens a page as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from aecore import own, runs
from aecore.backends import order_of
from aecore.errors import AecoreError
from aecore.own import Own
from aecore.runs import LIVE, Run
from aecore.variants import VARIANTS

ICONS = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "lost": ":material/help:",
}
BADGES = {"queued": "gray", "running": "blue", "done": "green", "stopped": "orange", "failed": "red", "lost": "red"}


def usable_runs() -> list[Run]:
    """Runs whose config is sound and whose weights are there."""
    return [run for run in runs.list_runs() if run.has_model() and runs.readable(run) and is_mine(run)]


def choose_run(fits: Callable[[Run], bool] = lambda run: True, first: str = "mnist-vae", label: str = "Run") -> Run:
    """A select box over the runs that fit, bound to ?run=; stops the page where there are none.

    It begins with the newest of the user's own, else with the shipped run `first`.
    """
    known = {run.id: run for run in usable_runs() if fits(run)}
    if not known:
        st.info("No run has a model yet. Train one, or pull one from the Hub.", icon=":material/info:")
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
        st.stop()
    asked = st.query_params.get("run")
    if asked and asked not in known:
        st.warning(f"There is no run {asked[:80]!r} with a model here. Choose another.", icon=":material/search_off:")
    ids = list(known)
    if st.session_state.get("run", ids[0]) not in ids:  # the last page took other runs
        del st.session_state["run"]
    chosen = st.selectbox(label, ids, index=ids.index(default_run(ids, first)), key="run", bind="query-params")
    return known[chosen or ids[0]]


def takes_pictures(run: Run) -> bool:
    return len(run.config().model.input_shape) == 3


def choose_runs(fits: Callable[[Run], bool], first: list[str], most: int = 4, place: Any = st) -> list[Run]:
    """Several runs that fit, bound to ?runs=; the newest of the user's own to begin with, else the shipped `first`."""
    known = {run.id: run for run in usable_runs() if fits(run)}
    if not known:
        st.info("No run fits this page. Train one.", icon=":material/info:")
        st.page_link("train.py", label="Train a model", icon=":material/model_training:")
        st.stop()
    ids = list(known)
    start = [name for name in first if name in known] if runs.is_shipped(known[ids[0]].path) else ids[:1]
    chosen = place.multiselect("Runs", ids, start or ids[:1], key="runs", bind="query-params", max_selections=most)
    return [known[name] for name in chosen or start or ids[:1]]


def default_run(ids: list[str], first: str) -> str:
    """The newest of the user's own, else the shipped one that has something to show there."""
    return first if first in ids and runs.is_shipped(runs.SHIPPED / ids[0]) else ids[0]


def select_linked(place: Any, label: str, options: Sequence[str], key: str, names: Mapping[str, str], help: str = "",
                  first: str | None = None) -> str:  # fmt: skip
    """A select box that shows names and keeps the options themselves in the address, which `bind` would not."""
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
    asked = st.query_params.get(key, "")
    start = asked if asked in options else first if first in options else options[0]
    index = 0 if key in st.session_state else options.index(start)
    chosen = place.selectbox(label, options, index, key=key, help=help or None,
                             format_func=lambda option: names.get(option, option))  # fmt: skip
    if chosen != (first or options[0]):
        st.query_params[key] = chosen
    else:
        st.query_params.pop(key, None)
    return chosen


def own_names() -> dict[str, str]:
    """What each of the visitor's sets is called, by its token; two of one name are told apart."""
    sets = own_sets()
    names = [one.name for one in sets]
    return {one.token: one.name if names.count(one.name) == 1 else f"{one.name}, {one.token[:4]}" for one in sets}


def own_sets() -> list[Own]:
    """The data that this visitor brought; on a machine of one's own, all that was brought."""
    if not is_public():
        return own.listing()
    known = [st.query_params.get(key, "") for key in ("own", "inputs", "data")]
    tokens = dict.fromkeys([*st.session_state.get("own_tokens", []), *known])
    return [one for token in tokens if (one := own.find(token)) is not None and one.source]


def remember(one: Own) -> None:
    """That a set is this visitor's."""
    tokens = st.session_state.setdefault("own_tokens", [])
    if one.token not in tokens:
        tokens.append(one.token)


def is_mine(run: Run) -> bool:
    """Whether a run may be shown: not where another visitor brought its data, or paid for it."""
    if not is_public() or not runs.readable(run):
        return True
    config, order = run.config(), order_of(run)
    brought = own.owner(config.data.name) if config.data else None
    paid = order.owner if order else ""
    return (brought is None or brought in own_sets()) and (not paid or paid == hub_name())


def hub_name() -> str:
    """The visitor's name on the Hub, where it is known."""
    name = st.user.get("preferred_username") or st.session_state.get("result-whoami")
    return name if isinstance(name, str) else ""


def keep_selections(data_name: str, split: str, named: Mapping[str, np.ndarray]) -> None:
    """Remember what the visitor selected on a map: names -> rows of a split of that data."""
    st.session_state.setdefault("selections", {})[data_name, split] = dict(named)


def selections(data_name: str, split: str = "test") -> dict[str, np.ndarray]:
    """What the visitor selected and named of a split, by name."""
    return st.session_state.get("selections", {}).get((data_name, split), {})


def selection_key(split: str, name: str) -> str:
    """What a selection is called in an address."""
    return f"{split}:{name}"


def badge(run: Run) -> str:
    """The run's state as a coloured badge in Markdown."""
    state = run.state().state
    return f":{BADGES[state]}-badge[{ICONS[state]} {state}]"


def live_runs() -> None:
    """The runs under way, each a link, for the sidebar."""
    live = [run for run in runs.list_runs() if run.state().state in LIVE and is_mine(run)]
    for run in live[:5]:
        st.page_link("train.py", label=run.id, icon=ICONS[run.state().state], query_params={"run": run.id})


def label_of(run: Run) -> str:
    """The variant's name for people."""
    name = run.config().model.variant
    return VARIANTS[name].label if name in VARIANTS else name


def show_error(error: AecoreError) -> None:
    """An error where its cause is."""
    st.error(str(error), icon=":material/error:")


def is_public() -> bool:
    """True on a Space, where visitors are strangers: no paths on the server, and nobody deletes."""
    return bool(os.environ.get("SPACE_ID"))


def dark() -> bool:
    return st.context.theme.type == "dark"
