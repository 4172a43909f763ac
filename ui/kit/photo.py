"""A photo that a visitor brings, and what a run makes of it, computed by a job."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import streamlit as st

from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.runs.run import Run
from ui.kit.jobs import forget_jobs, poll_job, read_job_outcome, start_job
from ui.kit.memory import Origin, memory_store
from ui.kit.uploader import ask_for_files
from ui.kit.visitor import get_visitor

PHOTO_KEY = "brought_photo"  # of the session state: what the photo that was brought is kept under
PHOTO_KINDS = "A picture of any size: PNG, JPEG, WebP, AVIF, HEIC"

ResultT = TypeVar("ResultT")


class Photo(NamedTuple):
    """A picture as it was brought."""

    name: str
    content: bytes


def ask_for_photo() -> Photo | None:
    """Show a field for a picture; return the last one that was brought, None before the first."""
    upload = ask_for_files(IMAGE_SUFFIXES, PHOTO_KINDS)
    if upload and upload.source:
        keep_photo(upload.source)
        upload.delete()
    kept = memory_store.get(st.session_state.get(PHOTO_KEY))
    return kept.value if kept else None


def keep_photo(folder: Path) -> None:
    """Keep the first picture of a folder for this session, as long as memory has room for it."""
    owner = get_visitor().owner
    file = min(path for path in folder.rglob("*") if path.is_file())
    key = st.session_state[PHOTO_KEY] = f"{PHOTO_KEY}-{uuid.uuid4().hex}"
    photo = Photo(file.name, file.read_bytes())
    memory_store.keep(key, photo, Origin((owner,) if owner else ()))


def load_photo_result(
    task: str,
    message: str,
    run: Run,
    photo: Photo,
    settings: tuple[object, ...],
    compute: Callable[[], ResultT],
) -> ResultT | None:
    """Return what a task makes of a photo with a run; None while a job computes it, or it failed.

    `settings` are what the result depends on beside both. The message is shown meanwhile.
    """
    digest, owner = hashlib.sha256(photo.content).hexdigest(), get_visitor().owner
    key = (task, str(run.path), run.version(), settings, digest, owner)
    job = f"{task}-{hash(key)}"
    if kept := memory_store.get(key):
        result: ResultT = kept.value
        return result
    outcome = poll_job(job, message)
    if outcome.state == "done":  # in this moment, or memory has let it go since
        forget_jobs([job])
    if outcome.state in ("idle", "done"):
        origin = Origin((owner,) if owner else (), (run.path,))
        start_job(job, lambda: keep_photo_result(key, compute, origin))
        is_refused = read_job_outcome(job).state == "failed"
        poll_job(job, message)
        if is_refused:  # too many at once: the next look tries again
            forget_jobs([job])
    kept = memory_store.get(key)  # a fast job has ended by now
    return kept.value if kept else None


def keep_photo_result(
    key: tuple[object, ...], compute: Callable[[], object], origin: Origin
) -> None:
    """Compute what comes of a photo, and keep it under `key`."""
    memory_store.load(key, compute, origin, must_fit=True)
