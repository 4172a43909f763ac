"""Who is visiting, and what is theirs."""

from __future__ import annotations

import os

import streamlit as st

from aecore.backends.launch import read_order
from aecore.runs.listing import has_sound_config
from aecore.runs.run import Run
from aecore.runs.uploads import UploadedData, find_upload, find_upload_of_path, list_uploads
from ui.kit.hub_account import get_hub_name


def is_public() -> bool:
    """Returns True on a Space, where visitors are strangers: no server paths, nobody deletes."""
    return bool(os.environ.get("SPACE_ID"))


def is_mine(run: Run) -> bool:
    """Returns False for a run whose data another visitor brought, or that another paid for."""
    if not is_public() or not has_sound_config(run):
        return True
    config, order = run.config(), read_order(run)
    brought = find_upload_of_path(config.data.name) if config.data else None
    payer = order.owner if order else ""
    return (brought is None or brought in list_own_sets()) and (
        not payer or payer == get_hub_name()
    )


def list_own_sets() -> list[UploadedData]:
    """Returns the data that this visitor brought; on one's own machine, all that was brought."""
    if not is_public():
        return list_uploads()
    linked = [st.query_params.get(key, "") for key in ("own", "inputs", "data")]
    tokens = dict.fromkeys([*st.session_state.get("own_tokens", []), *linked])
    uploads = [find_upload(token) for token in tokens]
    return [upload for upload in uploads if upload is not None and upload.source]


def map_own_sets() -> dict[str, UploadedData]:
    """Returns the visitor's sets by their tokens."""
    return {upload.token: upload for upload in list_own_sets()}


def name_own_sets() -> dict[str, str]:
    """Returns the names of the visitor's sets by their tokens; two of one name are told apart."""
    uploads = list_own_sets()
    names = [upload.name for upload in uploads]
    return {
        upload.token: upload.name
        if names.count(upload.name) == 1
        else f"{upload.name}, {upload.token[:4]}"
        for upload in uploads
    }


def remember_own_set(upload: UploadedData) -> None:
    """Remember for this session that a set is this visitor's."""
    tokens = st.session_state.setdefault("own_tokens", [])
    if upload.token not in tokens:
        tokens.append(upload.token)
