"""What the Data page is made of: two ways to bring data, and what was understood of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from aecore.analysis.pictures import draw_grid
from aecore.data.image_sources import holds_encoded_images
from aecore.data.memory import allowed_data_bytes
from aecore.data.splits import Dataset, as_float
from aecore.data.table_columns import parse_numbers
from aecore.errors import AecoreError
from aecore.hub.datasets import FETCHED_ROWS, fetch_hub_dataset
from aecore.model.config import DataConfig
from aecore.runs.uploads import MAX_UPLOAD_BYTES, SIDES, UploadedData, create_upload, guess_settings
from ui.data.uploader import ask_for_files
from ui.kit.cache import load_cached_data, load_cached_frame
from ui.kit.hub_account import get_hub_token
from ui.kit.jobs import background_jobs
from ui.kit.messages import show_error
from ui.kit.visitor import is_public, remember_own_set

SHOWN_COLUMNS = 32  # pictures
FETCH_POLL_SECONDS = 0.5


# -- bringing


def show_bring() -> None:
    """The two ways: from this computer, or from the Hub."""
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            "**From your computer**",
            help="A .zip may hold a folder for each class. Nothing is unpacked.",
        )
        show_from_disk()
    with right:
        st.markdown(
            "**From the Hugging Face Hub**", help="Its Parquet copy is read; nothing of it is run."
        )
        show_from_hub()
    if problem := st.session_state.pop("own_problem", None):
        st.error(problem, icon=":material/error:")
    where = "of this session, and of whoever has its link" if is_public() else "of this machine"
    st.caption(
        f"Limits: {MAX_UPLOAD_BYTES / 1e6:,.0f} MB a set, {allowed_data_bytes() / 1e9:.3g} GB once decoded. It stays a set "
        f"{where} until you delete it{', for a day at most' if is_public() else ''}."
    )


def show_from_disk() -> None:
    try:
        if one := ask_for_files():
            accept_upload(one)
    except AecoreError as error:
        show_error(error)


def accept_upload(one: UploadedData) -> None:
    """A set has come: read it as is best, or remove it and say why it cannot be read."""
    try:
        with st.spinner(f"Reading {one.name} ..."):
            one.save(guess_settings(one))
            load_cached_data(one.config())
    except AecoreError as error:
        st.session_state["own_problem"] = str(error)
        one.delete()
    else:
        remember_own_set(one)
        st.session_state["own"] = one.token
    st.rerun()


def show_from_hub() -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    repo = row.text_input(
        "Data set", key="hub_data", placeholder="user/name", label_visibility="collapsed"
    )
    split = row.text_input(
        "Split", "train", key="hub_split", width=90, label_visibility="collapsed"
    )
    token = get_hub_token()
    key = f"own-hub-{repo}-{split}"
    if row.button(
        "Fetch",
        icon=":material/cloud_download:",
        disabled=not repo or background_jobs().is_running(key),
    ):
        background_jobs().start(
            key, lambda: fetch_new_set(repo.strip(), split.strip() or "train", token)
        )
    if background_jobs().is_running(key):
        st.fragment(show_fetch_progress, run_every=FETCH_POLL_SECONDS)(key, repo)
    elif (result := background_jobs().take(key)) is not None:
        if isinstance(result, AecoreError):
            show_error(result)
        else:
            accept_upload(result)
    st.caption(
        f"Its first {FETCHED_ROWS:,} rows: pictures or a table, such as `ylecun/mnist` or `scikit-learn/iris`."
    )


def fetch_new_set(repo: str, split: str, token: str | bool) -> UploadedData:
    """A new set with the first rows of a data set of the Hub; no set where that fails."""
    one = create_upload()
    try:
        fetch_hub_dataset(repo, one, split, token)
    except AecoreError:
        one.delete()
        raise
    return one


def show_fetch_progress(key: str, repo: str) -> None:
    if not background_jobs().is_running(key):
        st.rerun()
    st.status(f"Fetching {repo}")


def show_nothing_yet() -> None:
    st.info(
        "Nothing yet. Bring a zip of pictures, a table or arrays, and its preview appears here.",
        icon=":material/arrow_upward:",
    )


# -- what was understood


def show_set(one: UploadedData) -> None:
    """The set as it is read: how that can be changed, what it is used for, what it looks like."""
    config = one.config()
    source = Path(config.name)
    is_table = source.suffix.lower() in (".csv", ".parquet") and not holds_encoded_images(source)
    try:
        config = show_reading_controls(one, config, is_table)
        found = load_cached_data(config)
    except AecoreError as error:
        show_error(error)
        remove_set(one)
        return
    show_set_numbers(found)
    show_set_actions(one)
    if found.notes:
        st.markdown(
            "**Left out or changed**\n\n"
            + "\n".join(f"- {escape_words(note)}" for note in found.notes)
        )
    if is_table:
        frame = load_cached_frame(config.name, source.stat().st_mtime)
        st.dataframe(
            describe_columns(config, source.stat().st_mtime, found),
            hide_index=True,
            alt="The columns of the table",
        )
        st.dataframe(frame.head(8), hide_index=True, alt="The first rows of the table")
    elif found.kind == "image":
        x = as_float(found.train.x[:SHOWN_COLUMNS])
        st.image(
            draw_grid(x, 8 if len(x) > 8 else None),
            width="stretch" if len(x) > 8 else "content",
            alt=f"{len(x)} of {len(found.train.x):,} training pictures",
        )
    else:
        st.dataframe(
            pd.DataFrame(found.train.x[:8].numpy(), columns=list(found.columns)),
            alt="The first rows",
        )


def show_reading_controls(one: UploadedData, config: DataConfig, is_table: bool) -> DataConfig:
    """Controls of how a set is read, kept with it."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    changes: dict[str, Any] = {}
    if is_table:
        names = list(load_cached_frame(config.name, Path(config.name).stat().st_mtime).columns)
        options = ["none", *names]
        chosen = row.selectbox(
            "Class column",
            options,
            options.index(config.label) if config.label in names else 0,
            key=f"label-{one.token}",
            width=260,
            help="Never an input; colours maps and judges what is found.",
        )
        changes["label"] = None if chosen == "none" else chosen
    elif Path(config.name).suffix.lower() not in (".npz", ".npy"):
        sides = ["as they are", *SIDES]
        chosen = row.selectbox(
            "Size",
            sides,
            sides.index(config.side) if config.side in sides else 0,
            key=f"side-{one.token}",
            width=200,
            format_func=lambda side: side if side == sides[0] else f"{side} x {side} pixels",
            help="The square in the middle of each picture, resized.",
        )
        changes["side"] = None if chosen == sides[0] else chosen
    if any(getattr(config, name) != value for name, value in changes.items()):
        config = config.model_copy(update=changes)
        one.save(config)
    return config


def show_set_numbers(found: Dataset) -> None:
    """How many, how large, which classes."""
    row = st.container(horizontal=True)
    row.metric("To train with", f"{len(found.train.x):,}", width=150)
    row.metric("To test with", f"{len(found.test.x):,}", width=150)
    shape = found.input_shape
    row.metric(
        "One example",
        f"{shape[2]} x {shape[1]}" if len(shape) == 3 else f"{shape[0]} columns",
        width=150,
        help=("In grey." if shape[0] == 1 else "In colour.") if len(shape) == 3 else None,
    )
    row.metric(
        "Classes",
        len(found.classes) or "none",
        width=150,
        help=", ".join(found.classes[:50]) or None,
    )
    if found.train.x.is_floating_point():
        empty = float(found.train.x.isnan().float().mean())
        row.metric("Missing cells", f"{empty:.2%}" if empty else "none", width=150)


def show_set_actions(one: UploadedData) -> None:
    """Train on it, look at it on other pages, delete it."""
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Train on this", type="primary", icon=":material/model_training:"):
        st.switch_page("train.py", query_params={"data": one.token})
    remove_set(one, row)
    st.caption(
        "Or choose it as *Inputs* on a page under **Apply**: to clean, compress, search, score or fill it in."
    )


def remove_set(one: UploadedData, place: Any = st) -> None:
    with place.popover("Delete", icon=":material/delete:"):
        st.markdown(f"Delete **{one.name}** from this server? Runs that were trained on it stay.")
        st.button(
            "Delete for good", on_click=delete_set, args=(one,), type="primary", key="delete_own"
        )


def delete_set(one: UploadedData) -> None:
    one.delete()
    st.session_state.pop("own", None)
    st.toast(f"{one.name if one.source else 'Your data'} is deleted.")


def escape_words(text: str) -> str:
    """A stranger's words as they are, in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|$:~])", r"\\\1", text)


@st.cache_data(max_entries=8, show_spinner="Counting ...")
def describe_columns(config: DataConfig, version: float, _found: Dataset) -> pd.DataFrame:
    """Each column of a table: what it holds and what became of it."""
    frame, found = load_cached_frame(config.name, version), _found
    rows = []
    for name in frame.columns:
        column = frame[name]
        values = parse_numbers(column)
        rows.append(
            {
                "column": name,
                "used as": describe_column_use(name, found, config),
                "missing": int(column.isna().sum()),
                "different": int(column.astype(str).nunique()),
                "least": values.min(),
                "mean": values.mean(),
                "most": values.max(),
                "such as": str(next(iter(column.dropna()), ""))[:40],
            }
        )
    return pd.DataFrame(rows)


def describe_column_use(name: str, found: Dataset, config: DataConfig) -> str:
    if name == config.label:
        return "class"
    if name in found.columns:
        return "number"
    words = sum(column.startswith(f"{name}=") for column in found.columns)
    return f"{words} words" if words else "left out"
