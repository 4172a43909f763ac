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
from ui.kit.measurement import forget_measurement, wait_for_measurement
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

    `settings` are what the result depends on beside both. The message is shown meanwhile. Of a run
    that trains it may be what an earlier epoch made of the photo.
    """
    digest, owner = hashlib.sha256(photo.content).hexdigest(), get_visitor().owner
    key, version = (task, str(run.path), settings, digest, owner), run.version()
    origin = Origin((owner,) if owner else (), (run.path,))

    def work() -> None:
        memory_store.load((*key, version), compute, origin, must_fit=True)

    name = f"{task}-{hash(key)}"
    computed = wait_for_measurement(name, version, message, work)
    if computed is None:
        return None
    kept = memory_store.get((*key, computed.version))
    if kept is None:  # memory has let it go since
        forget_measurement(name)
        st.rerun()
    result: ResultT = kept.value
    return result
