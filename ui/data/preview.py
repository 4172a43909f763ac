"""The lower half of the Data page: a set as it was understood, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.pictures import describe_channels, draw_grid
from aecore.data.describe import holds_table
from aecore.data.images.sizes import SIDES
from aecore.data.splits import Dataset, as_float
from aecore.data.tables.column_values import ReadColumn
from aecore.data.tables.filling import make_frame
from aecore.errors import AecoreError
from aecore.model.config import DataConfig
from aecore.names import escape_name
from aecore.runs.uploads import UploadedData
from ui.data.bringing import OWN_SET_KEY
from ui.kit.cache import load_cached_data, load_cached_table
from ui.kit.links import forget_linked, select_linked
from ui.kit.memory import forget_deleted, keep_in_memory
from ui.kit.messages import show_error
from ui.kit.visitor import map_own_sets, name_own_sets

SHOWN_PICTURES = 32
SHOWN_ROWS = 8
NUMBER_WIDTH = 150  # pixels
NOTE_LETTERS = 300  # of what became of a column
NO_LABEL = "none"  # an option of the class column
ORIGINAL_SIZE = "as they are"  # an option of the size of pictures


# -- one set


def show_own_sets() -> None:
    """Show one of the visitor's sets; where there is none, what would stand here."""
    sets = map_own_sets()
    if not sets:
        st.info(
            "Nothing yet. Bring a zip of pictures, a table or arrays, and its preview appears "
            "here.",
            icon=":material/arrow_upward:",
        )
        return
    show_set(sets[select_linked(None, "Your data", list(sets), OWN_SET_KEY, name_own_sets())])


def show_set(upload: UploadedData) -> None:
    """Show a set as it is read: how that can be changed, its use, and what it looks like."""
    config = upload.config()
    source = Path(config.name)
    is_table = holds_table(source)
    try:
        config = show_reading_controls(upload, config, is_table)
        dataset = load_cached_data(config)
    except AecoreError as error:
        show_error(error)
        offer_deletion(upload)
        return
    show_set_numbers(dataset)
    show_set_actions(upload)
    if dataset.notes:
        notes = "\n".join(f"- {escape_name(note, NOTE_LETTERS)}" for note in dataset.notes)
        st.markdown(f"**Left out or changed**\n\n{notes}")
    if is_table:
        show_table_preview(config)
    else:
        show_examples_preview(dataset)


# -- how it is read


def show_reading_controls(upload: UploadedData, config: DataConfig, is_table: bool) -> DataConfig:
    """Show the controls of how a set is read; keep them with the set, and return its config."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    changes: dict[str, Any] = {}
    if is_table:
        changes = choose_label_column(row, upload, config)
    elif Path(config.name).suffix.lower() not in (".npz", ".npy"):
        changes["side"] = choose_picture_side(row, upload, config)
    if any(getattr(config, name) != value for name, value in changes.items()):
        config = config.model_copy(update=changes)
        upload.save(config)
    return config


def choose_label_column(
    row: DeltaGenerator, upload: UploadedData, config: DataConfig
) -> dict[str, Any]:
    """Show a select box over the columns of a table; return what changes of how it is read."""
    table = load_cached_table(config)
    names = [column.name for column in table.columns]
    options = [NO_LABEL, *names]
    option = row.selectbox(
        "Class column",
        options,
        options.index(table.target) if table.target else 0,
        key=f"label-{upload.token}",
        width=260,
        help="Never an input; colours maps and judges what is found.",
    )
    label = "" if option == NO_LABEL else option
    if label == (table.target or ""):
        return {}
    others = {n: o for n, o in config.columns.items() if n not in (table.target, label)}
    return {"label": label, "columns": others}


def choose_picture_side(
    row: DeltaGenerator, upload: UploadedData, config: DataConfig
) -> int | None:
    """Show a select box over sizes of pictures; return their side in pixels, None as they are."""
    options: list[str | int] = [ORIGINAL_SIZE, *SIDES]
    option = row.selectbox(
        "Size",
        options,
        options.index(config.side) if config.side in options else 0,
        key=f"side-{upload.token}",
        width=200,
        format_func=lambda side: side if side == ORIGINAL_SIZE else f"{side} x {side} pixels",
        help="The square in the middle of each picture, resized.",
    )
    return option if isinstance(option, int) else None


# -- what it looks like


def show_set_numbers(dataset: Dataset) -> None:
    """Show how many examples there are, how large, and which classes."""
    row = st.container(horizontal=True)
    row.metric("To train with", f"{len(dataset.train.x):,}", width=NUMBER_WIDTH)
    row.metric("To test with", f"{len(dataset.test.x):,}", width=NUMBER_WIDTH)
    shape = dataset.input_shape
    is_picture = len(shape) == 3
    row.metric(
        "One example",
        f"{shape[2]} x {shape[1]}" if is_picture else f"{shape[0]} columns",
        width=NUMBER_WIDTH,
        help=f"Pictures {describe_channels(shape[0])}." if is_picture else None,
    )
    row.metric(
        "Classes",
        len(dataset.classes) or "none",
        width=NUMBER_WIDTH,
        help=", ".join(map(escape_name, dataset.classes[:50])) or None,
    )
    if dataset.train.x.is_floating_point():
        missing = float(dataset.train.x.isnan().float().mean())
        row.metric("Missing cells", f"{missing:.2%}" if missing else "none", width=NUMBER_WIDTH)


def show_examples_preview(dataset: Dataset) -> None:
    """Show the first training examples: pictures in a grid, or rows of numbers."""
    if dataset.kind != "image":
        rows = dataset.train.x[:SHOWN_ROWS].numpy()
        frame = pd.DataFrame(rows, columns=list(dataset.columns))
        st.dataframe(frame, alt="The first rows")
        return
    x = as_float(dataset.train.x[:SHOWN_PICTURES])
    st.image(
        draw_grid(x, 8 if len(x) > 8 else None),
        width="stretch" if len(x) > 8 else "content",
        alt=f"{len(x)} of {len(dataset.train.x):,} training pictures",
    )
    if x.shape[1] not in (1, 3):
        st.caption(f"Pictures {describe_channels(x.shape[1])}.")


def show_table_preview(config: DataConfig) -> None:
    """Show what became of each column of a table, and its first rows."""
    columns = describe_columns(config, Path(config.name).stat().st_mtime)
    st.dataframe(columns, hide_index=True, alt="The columns of the table")
    frame = make_frame(load_cached_table(config), SHOWN_ROWS)
    st.dataframe(frame, hide_index=True, alt="The first rows of the table")


@keep_in_memory("Counting ...")
def describe_columns(config: DataConfig, version: float) -> pd.DataFrame:
    """Returns a row for each column of a table: what it holds and what became of it."""
    return pd.DataFrame([describe_column(column) for column in load_cached_table(config).columns])


def describe_column(column: ReadColumn) -> dict[str, Any]:
    """Returns what a column of a table holds, and what it is used as."""
    shown = pd.Series(column.values.drop_null().slice(0, 1).to_pylist(), dtype=object)
    is_number = column.values.type in ("int64", "double")
    numbers = pd.Series(column.values.to_numpy() if is_number else [], dtype=float)
    return {
        "column": column.name,
        "read as": column.options.kind,
        "missing": column.missing,
        "least": numbers.min(),
        "mean": numbers.mean(),
        "most": numbers.max(),
        "such as": str(next(iter(shown), ""))[:40],
        "note": column.note,
    }


# -- what can be done with it


def show_set_actions(upload: UploadedData) -> None:
    """Offer to train on a set and to delete it, and say where else it can be used."""
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Train on this", type="primary", icon=":material/model_training:"):
        st.switch_page("train.py", query_params={"data": upload.token})
    with row:
        offer_deletion(upload)
    st.caption(
        "Or choose it as *Inputs* on a page under **Apply**: to clean, compress, search, score or "
        "fill it in."
    )


def offer_deletion(upload: UploadedData) -> None:
    """Offer to delete a set, asking once more."""
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(
            f"Delete **{escape_name(upload.name)}** from this server? Runs that were trained on it "
            "stay."
        )
        st.button(
            "Delete for good",
            on_click=delete_set,
            args=(upload,),
            type="primary",
            key="delete_own",
        )


def delete_set(upload: UploadedData) -> None:
    """Delete a set, and forget that it was chosen."""
    name = escape_name(upload.name)
    upload.delete()
    forget_deleted()
    forget_linked(OWN_SET_KEY)
    st.toast(f"{name} is deleted.")
