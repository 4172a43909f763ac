"""What outlives a page: choices that live in the address, and the selections of a map."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from aecore.names import list_few
from ui.kit.messages import show_warning

NO_SUCH_RUN = "There is no run {} with a model here. Choose another."
NO_SUCH_DATA = "There is no data set {} here. Choose another."
MAX_LINKED = 80  # letters of an unknown value that are shown
NAMED_UNKNOWN = 3  # unknown values that are named


def select_linked(
    container: DeltaGenerator | None,
    label: str,
    options: Sequence[str],
    key: str,
    names: Mapping[str, str],
    help: str = "",
    default: str | None = None,
    keeps: bool = False,
) -> str:
    """Show a select box of names that keeps the options in the address, which `bind` would not.

    It follows links, and the browser's Back and Forward.

    Args:
        container: Where it is shown; None is the page.
        key: Of the widget, and of the query parameter.
        names: What is shown for an option; the option itself where there is none.
        default: The option that an address without the parameter means; else the first.
        keeps: The choice is kept while the visitor looks at other pages.

    Returns the option.
    """
    is_back = is_rerun_by_history()
    kept = "" if is_back else st.session_state.get(f"kept-{key}", "")
    address = st.query_params.get(key, "")
    linked = address or kept
    start = linked if linked in options else default if default in options else options[0]
    # a link has changed the address: it is not as this box wrote it
    is_link = bool(address) and address != st.session_state.get(f"written-{key}", "")
    shown = start if is_back or is_link else st.session_state.get(key, start)
    # always set: a box that is drawn again after another view would show its first option
    st.session_state[key] = shown if shown in options else start
    selectbox = st.selectbox if container is None else container.selectbox
    option = selectbox(
        label,
        options,
        key=key,
        help=help or None,
        format_func=lambda option: names.get(option, option),
    )
    written = "" if option == (default or options[0]) else option
    if written:
        st.query_params[key] = written
    else:
        st.query_params.pop(key, None)
    st.session_state[f"written-{key}"] = written
    if keeps:
        st.session_state[f"kept-{key}"] = option
    return option


def drop_unknown_links(key: str, options: Collection[str], sentence: str) -> None:
    """Take values that are no options out of a parameter of the address, and say so.

    Call it before the parameter's widget. `sentence` is the one that is shown, with {} for the
    values: the same for what is not there and for what is somebody else's.
    """
    linked = st.query_params.get_all(key)
    unknown = [value for value in linked if value and value not in options]
    if unknown:
        listed = list_few([repr(value[:MAX_LINKED]) for value in unknown], NAMED_UNKNOWN)
        show_warning(sentence.format(listed), "search_off")
        known = [value for value in linked if value in options]
        if known:
            st.query_params[key] = known
        else:
            del st.query_params[key]


def is_rerun_by_history() -> bool:
    """Returns True where the browser's Back or Forward has changed the address, and nothing else.

    The widgets still have the values of the page that was left.
    """
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", False))


def forget_kept(key: str) -> None:
    """Let other pages begin with what they mean by default, not with the option chosen here."""
    st.session_state.pop(f"kept-{key}", None)


def set_linked(key: str, option: str) -> None:
    """Let the linked select box of that key show an option, before it is drawn."""
    st.session_state[key] = option


def forget_linked(key: str) -> None:
    """Let the linked select box of that key begin anew, before it is drawn."""
    st.session_state.pop(key, None)


def keep_selections(data_name: str, split: str, named: Mapping[str, np.ndarray]) -> None:
    """Remember what the visitor selected on a map: names -> rows of a split of that data."""
    st.session_state.setdefault("selections", {})[data_name, split] = dict(named)


def read_selections(data_name: str, split: str = "test") -> dict[str, np.ndarray]:
    """Returns what the visitor selected and named of a split, {name: rows}."""
    return st.session_state.get("selections", {}).get((data_name, split), {})


def keep_inputs_owner(owner: str) -> None:
    """Remember whose the inputs of the page are; empty for a run's own."""
    st.session_state["inputs-owner"] = owner


def read_inputs_owner() -> str:
    """Returns whose the inputs of the page are; empty for a run's own."""
    return str(st.session_state.get("inputs-owner", ""))


def list_selections() -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Returns all that the visitor selected and named: by data and split, {name: rows}."""
    return st.session_state.get("selections", {})


def format_selection_key(split: str, name: str) -> str:
    """Returns a selection's key in an address."""
    return f"{split}:{name}"
