"""A remark on a run's data where that is not at hand, and a button that fetches it."""

from __future__ import annotations

import threading
from collections.abc import Collection
from functools import partial
from pathlib import Path

import streamlit as st

from aecore.data.catalog import CATALOG, CatalogEntry
from aecore.data.datasets import fetch_catalog_set
from aecore.data.sample_inputs import PHOTOGRAPHS_CREDIT
from aecore.data.stand_in import PHOTOGRAPHS_REMARK, is_own_sample
from aecore.model.config import DataConfig
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.runs.uploads import find_upload_of_path, is_upload_path
from ui.kit.jobs import is_job_running, poll_job, start_job
from ui.kit.messages import show_warning
from ui.kit.visitor import list_own_runs

fetch_lock = threading.Lock()  # one download at a time: several visitors may want the same files


def show_data_remark(run: Run, remark: str) -> None:
    """Show the remark of `get_dataset`: a caption and the whole set, or a warning in large letters.

    The warning is for pictures that the model was not made for. Nothing for an empty remark.
    """
    data = run.config().data or DataConfig()
    if remark and has_own_sample(run):
        show_sample_note(CATALOG[data.name], remark)
    elif remark == PHOTOGRAPHS_REMARK:
        st.caption(f":material/info: {remark}", help=f"Source: {PHOTOGRAPHS_CREDIT}.")
    elif remark:
        show_warning(remark)


def has_own_sample(run: Run) -> bool:
    """Returns True where a sample of the run's data set comes with the package."""
    config = run.config()
    return is_own_sample(config.data or DataConfig(), config.model.input_shape)


def is_data_missing(run: Run) -> bool:
    """Returns True where the run's data set is in the catalog, but not on this machine."""
    config = run.config()
    entry = CATALOG.get(config.data.name) if config.data else None
    return entry is not None and not entry.is_local()


def is_own_set_deleted(run: Run) -> bool:
    """Returns True where the run's data were brought to this server and are not there any more."""
    data = run.config().data
    return data is not None and is_upload_path(data.name) and not Path(data.name).exists()


def describe_waiting_runs(deleted: Collection[Path]) -> str:
    """Returns a sentence on the visitor's live runs whose data lie in folders that are deleted.

    Empty where there are none. Runs that are deleted as well do not count.
    """
    live = [run for run in list_own_runs() if run.state().state in LIVE_STATES]
    names = [run.config().data for run in live if run.path not in deleted]
    uploads = [find_upload_of_path(data.name) for data in names if data]
    count = sum(upload is not None and upload.path in deleted for upload in uploads)
    if not count:
        return ""
    if count == 1:
        words = "1 of your runs waits for these data or trains on them: it"
    else:
        words = f"{count} of your runs wait for these data or train on them: they"
    return f"**{words} will fail, or cannot be resumed.**"


def show_sample_note(entry: CatalogEntry, remark: str) -> None:
    """Show what the sample is, and a button that fetches the whole set."""
    job = f"fetch-{entry.name}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f":material/info: {remark}", help=f"Source: {entry.credit}", width="content")
        is_running = is_job_running(job)
        if not is_running and st.button(
            f"Use all {entry.sizes[1]:,} ({entry.megabytes} MB)",
            icon=":material/download:",
            type="tertiary",
            key=job,
            help=f"Downloads {entry.label}, {entry.megabytes} MB, onto this server, once.",
        ):
            start_job(job, partial(fetch_whole_set, entry))
    poll_job(job, f"Downloading {entry.label}")


def fetch_whole_set(entry: CatalogEntry) -> None:
    """Download the missing files of a set; DataError where no mirror answers."""
    with fetch_lock:
        fetch_catalog_set(entry)
