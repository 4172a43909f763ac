"""Who is visiting, and what is theirs."""

from __future__ import annotations

import os

import streamlit as st

from aecore.backends.base import read_order
from aecore.runs.listing import has_sound_config
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData, find_upload, find_upload_of_path, list_uploads


def name_own_sets() -> dict[str, str]:
    """What each of the visitor's sets is called, by its token; two of one name are told apart."""
    sets = list_own_sets()
    names = [one.name for one in sets]
    return {
        one.token: one.name if names.count(one.name) == 1 else f"{one.name}, {one.token[:4]}"
        for one in sets
    }


def list_own_sets() -> list[UploadedData]:
    """The data that this visitor brought; on a machine of one's own, all that was brought."""
    if not is_public():
        return list_uploads()
    known = [st.query_params.get(key, "") for key in ("own", "inputs", "data")]
    tokens = dict.fromkeys([*st.session_state.get("own_tokens", []), *known])
    return [one for token in tokens if (one := find_upload(token)) is not None and one.source]


def remember_own_set(one: UploadedData) -> None:
    """That a set is this visitor's."""
    tokens = st.session_state.setdefault("own_tokens", [])
    if one.token not in tokens:
        tokens.append(one.token)


def is_mine(run: Run) -> bool:
    """Whether a run may be shown: not where another visitor brought its data, or paid for it."""
    if not is_public() or not has_sound_config(run):
        return True
    config, order = run.config(), read_order(run)
    brought = find_upload_of_path(config.data.name) if config.data else None
    paid = order.owner if order else ""
    return (brought is None or brought in list_own_sets()) and (not paid or paid == get_hub_name())


def get_hub_name() -> str:
    """The visitor's name on the Hub, where it is known."""
    name = st.user.get("preferred_username") or st.session_state.get("result-whoami")
    return name if isinstance(name, str) else ""


def is_public() -> bool:
    """True on a Space, where visitors are strangers: no paths on the server, and nobody deletes."""
    return bool(os.environ.get("SPACE_ID"))
