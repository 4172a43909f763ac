"""What outlives a page: choices that live in the address, and the selections of a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st


def select_linked(
    place: Any,
    label: str,
    options: Sequence[str],
    key: str,
    names: Mapping[str, str],
    help: str = "",
    first: str | None = None,
) -> str:
    """A select box that shows names and keeps the options themselves in the address, which `bind` would not."""
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
    asked = st.query_params.get(key, "")
    start = asked if asked in options else first if first in options else options[0]
    index = 0 if key in st.session_state else options.index(start)
    chosen = place.selectbox(
        label,
        options,
        index,
        key=key,
        help=help or None,
        format_func=lambda option: names.get(option, option),
    )
    if chosen != (first or options[0]):
        st.query_params[key] = chosen
    else:
        st.query_params.pop(key, None)
    return chosen


def keep_selections(data_name: str, split: str, named: Mapping[str, np.ndarray]) -> None:
    """Remember what the visitor selected on a map: names -> rows of a split of that data."""
    st.session_state.setdefault("selections", {})[data_name, split] = dict(named)


def read_selections(data_name: str, split: str = "test") -> dict[str, np.ndarray]:
    """What the visitor selected and named of a split, by name."""
    return st.session_state.get("selections", {}).get((data_name, split), {})


def format_selection_key(split: str, name: str) -> str:
    """What a selection is called in an address."""
    return f"{split}:{name}"
