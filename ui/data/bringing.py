"""The upper half of the Data page: bring data from this computer or from the Hub."""

from __future__ import annotations

import math
from pathlib import Path

import streamlit as st

from aecore.data.describe import holds_table
from aecore.data.memory import allowed_data_bytes
from aecore.errors import AecoreError
from aecore.hub.datasets import FETCHED_ROWS, fetch_hub_dataset
from aecore.limits import is_public, read_limit
from aecore.names import escape_name
from aecore.runs.ownership import Visitor, claim_folder
from aecore.runs.storage import reserve_storage
from aecore.runs.uploads import (
    UploadedData,
    create_upload,
    guess_settings,
)
from ui.kit.cache import load_cached_data, load_cached_table
from ui.kit.hub_account import start_hub_job
from ui.kit.jobs import forget_jobs, is_job_running, poll_job
from ui.kit.links import set_linked
from ui.kit.messages import show_error, show_note
from ui.kit.progress import show_share
from ui.kit.uploader import LEFT_OUT_KEY, ask_for_files
from ui.kit.visitor import get_visitor

FETCHED_KEY = "fetched-data"  # of the session state: the repository that is fetched
OWN_SET_KEY = "own"  # of the select box over the visitor's sets
FETCH_POLL_SECONDS = 0.5


def show_bring() -> None:
    """Show the two ways to bring data, and the limits."""
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            "**From your computer**",
            help="Pictures in folders: each folder is a class. An archive is read as it is.",
        )
        show_from_disk()
    with right:
        st.markdown(
            "**From the Hugging Face Hub**", help="Its Parquet copy is read; nothing of it is run."
        )
        show_from_hub()
    if problem := st.session_state.pop("own_problem", None):
        show_error(problem)
    show_note(st.session_state.pop(LEFT_OUT_KEY, ""))
    st.caption(
        f"At most {allowed_data_bytes() / 1e9:.3g} GB once decoded. "
        f"Stored on {describe_storage()} until you delete it{describe_keeping()}."
    )


def describe_storage() -> str:
    """Returns where a set is kept, and for whom."""
    return "this server, for you alone," if is_public() else "this machine"


def describe_keeping() -> str:
    """Returns the end of the sentence on how long a set is kept."""
    hours = read_limit("keep_hours")
    return "" if math.isinf(hours) else f", or stay away for {hours:.3g} hours"


def show_from_disk() -> None:
    """Show the drop zone, and accept what has come."""
    try:
        if upload := ask_for_files():
            accept_upload(upload)
            st.rerun()
    except AecoreError as error:
        show_error(error)


def show_from_hub() -> None:
    """Ask for a data set of the Hub and its split, and fetch it in the background."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    repo = row.text_input(
        "Data set", key="hub_data", placeholder="user/name", label_visibility="collapsed"
    )
    split = row.text_input(
        "Split", "train", key="hub_split", width=90, label_visibility="collapsed"
    )
    visitor, is_off = get_visitor(), not repo or is_job_running("fetch")
    if row.button("Fetch", icon=":material/cloud_download:", disabled=is_off):
        start_hub_job(
            "fetch",
            lambda token: fetch_new_set(repo.strip(), split.strip() or "train", token, visitor),
        )
        st.session_state[FETCHED_KEY] = repo.strip()
        st.rerun()  # which draws the button as it is while the job runs
    fetched = escape_name(st.session_state.get(FETCHED_KEY, ""))
    outcome = poll_job("fetch", f"Fetching {fetched} ...", FETCH_POLL_SECONDS)
    if outcome.state == "done":
        if outcome.result.source:  # else it was deleted meanwhile
            accept_upload(outcome.result)
        forget_jobs(["fetch"])  # last: a click that ends this run of the page must not lose the set
        st.rerun()
    if outcome.state == "failed":  # it is shown once
        forget_jobs(["fetch"])
    st.caption(
        f"Its first {FETCHED_ROWS:,} rows: pictures or a table, such as `ylecun/mnist` or "
        "`scikit-learn/iris`."
    )


def fetch_new_set(repo: str, split: str, token: str | bool, visitor: Visitor) -> UploadedData:
    """Returns a new set of that visitor, with the first rows of a data set of the Hub.

    Raises AecoreError, and leaves no set, where that fails.
    """
    with reserve_storage(visitor) as storage:
        upload = create_upload()
        claim_folder(upload.path, visitor.owner)
        try:
            fetch_hub_dataset(repo, upload, split, token, storage.take)
        except AecoreError:
            upload.delete()
            raise
    return upload


def accept_upload(upload: UploadedData) -> None:
    """Read a set that has come as is best; remove it and say why where it cannot be read."""
    try:
        with show_share(f"Reading {escape_name(upload.name)} ..."):
            source, table = upload.config(), None
            if holds_table(Path(source.name)):
                table = load_cached_table(source)
            upload.save(guess_settings(upload, table))
            load_cached_data(upload.config())
    except AecoreError as error:
        st.session_state["own_problem"] = str(error)
        upload.delete()
    else:
        set_linked(OWN_SET_KEY, upload.token)
