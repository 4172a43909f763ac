"""Opening: a compressed file from the visitor's disk, expanded by the run."""

from __future__ import annotations

import uuid

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.analysis.pictures import draw_grid, encode_png, to_rgb_bytes
from aecore.data.splits import Dataset
from aecore.errors import AecoreError
from aecore.runs.run import Run
from aecore.runs.uploads import PACKED_SUFFIXES
from aecore.tasks.compress import expand_file
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv, offer_download
from ui.kit.examples import encode_npz
from ui.kit.memory import Origin, memory_store
from ui.kit.messages import show_error
from ui.kit.uploader import ask_for_files
from ui.kit.visitor import get_visitor

FILE_KEY = "packed_file"  # of the session state: what the file that was brought last is kept under
OPENED_PICTURES, OPENED_ROWS = 64, 50  # shown


def show_file_opener(run: Run, dataset: Dataset) -> None:
    """Show a field for a file that this page made, and the examples in it."""
    st.markdown(
        "**Open a file**", help="A file that this page made opens to exactly what was shown."
    )
    try:
        file = ask_for_packed_file()
        x = None if file is None else expand_file(get_model(run), file)
    except AecoreError as error:
        st.session_state.pop(FILE_KEY, None)
        show_error(error)
        return
    if x is None:
        return
    st.caption(f"It holds {len(x):,} examples.")
    if x.dim() == 4:
        show_opened_pictures(x)
    else:
        show_opened_rows(x, dataset)


def ask_for_packed_file() -> bytes | None:
    """Show a field for a file; return the bytes of the last one, None before the first."""
    upload = ask_for_files((PACKED_SUFFIXES,), "A .aez file of this run")
    if upload and upload.source:
        keep_packed_file(upload.source.read_bytes())
        upload.delete()
    kept = memory_store.get(st.session_state.get(FILE_KEY))
    return kept.value if kept else None


def keep_packed_file(file: bytes) -> None:
    """Keep a file for this session, for as long as the memory of all visitors has room for it."""
    key = st.session_state[FILE_KEY] = f"{FILE_KEY}-{uuid.uuid4().hex}"
    owner = get_visitor().owner
    memory_store.keep(key, file, Origin((owner,) if owner else ()))


def show_opened_pictures(x: Tensor) -> None:
    """Show pictures (N, C, H, W) of a file, and offer them as arrays."""
    st.image(
        encode_png(draw_grid(x[:OPENED_PICTURES], 8)),
        width="stretch",
        alt=f"{min(len(x), OPENED_PICTURES)} of {len(x):,} examples of the opened file",
    )
    offer_download(
        "NPZ", lambda: encode_npz(x=to_rgb_bytes(x)), "opened.npz", help="All as `x`, bytes."
    )


def show_opened_rows(x: Tensor, dataset: Dataset) -> None:
    """Show rows (N, features) of a file, and offer them as a table."""
    frame = pd.DataFrame(x.numpy(), columns=list(dataset.columns) or None)
    st.dataframe(frame.head(OPENED_ROWS), alt="Rows of the opened file")
    offer_csv("CSV", lambda: frame, "opened.csv")
