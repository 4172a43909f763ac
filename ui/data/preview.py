"""The lower half of the Data page: a set as it was understood, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from aecore.analysis.pictures import describe_channels, draw_grid
from aecore.data.describe import holds_table
from aecore.data.splits import Dataset, as_float
from aecore.data.tables.filling import make_frame
from aecore.data.tables.pixel_columns import PIXEL_HINT
from aecore.data.tables.reading import Table, describe_columns_briefly
from aecore.data.tables.targets import LABEL_HINT, describe_likely_labels
from aecore.errors import AecoreError
from aecore.model.columns import LEFT_OUT_KINDS
from aecore.model.config import DataConfig
from aecore.model.scaling import measure_missing_share
from aecore.model.variants.fitting import PICTURE_VARIANTS, is_beyond_digits
from aecore.names import escape_name
from aecore.runs.uploads import UploadedData
from ui.data.actions import offer_deletion, show_set_actions
from ui.data.bringing import OWN_SET_KEY
from ui.data.changes import apply_change
from ui.data.columns import NOTE_LETTERS, show_column_details, show_columns
from ui.data.reading import show_reading_controls
from ui.data.shipped import show_shipped_sets
from ui.kit.cache import load_cached_data, load_cached_table
from ui.kit.links import NO_SUCH_DATA, drop_unknown_links, select_linked
from ui.kit.messages import show_error, show_warning
from ui.kit.visitor import map_own_sets, name_own_sets

SHOWN_PICTURES = 32
SHOWN_ROWS = 8
SHOWN_COLUMNS = 200
SHOWN_NOTES = 5  # further ones are folded
SHORT_NOTE = 50  # letters that the table of columns shows
NAMED_COLUMNS = 5  # in a sentence
NUMBER_WIDTH = 140  # pixels


# -- one set


def show_own_sets() -> None:
    """Show one of the visitor's sets; where there is none, some that come with the app."""
    sets = map_own_sets()
    drop_unknown_links(OWN_SET_KEY, sets, NO_SUCH_DATA)
    if not sets:
        show_shipped_sets()
        return
    show_set(sets[select_linked(None, "Your data", list(sets), OWN_SET_KEY, name_own_sets())])


def show_set(upload: UploadedData) -> None:
    """Show a set as it is read: what it looks like, how that can be changed, its use."""
    try:
        apply_change(upload)
        config = upload.config()
        dataset = load_cached_data(config)
    except AecoreError as error:
        show_error(error)
        offer_deletion(upload)
        return
    if holds_table(Path(config.name)):
        show_table(upload, config, dataset)
    elif dataset.kind == "image":
        show_pictures(upload, config, dataset)
        show_notes(dataset.notes)
    else:
        show_set_numbers(dataset)
        show_set_actions(upload)
        show_notes(dataset.notes)
        show_array_rows(dataset)


def show_pictures(upload: UploadedData, config: DataConfig, dataset: Dataset) -> None:
    """Show the first pictures, and beside them their numbers and what can be done."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_first_pictures(dataset)
    with right:
        show_set_numbers(dataset)
        show_reading_controls(upload, config, dataset)
        is_photograph = is_beyond_digits(dataset.input_shape)
        show_set_actions(upload, PICTURE_VARIANTS[0] if is_photograph else "")


def show_table(upload: UploadedData, config: DataConfig, dataset: Dataset) -> None:
    """Show a table by its columns; one of pixels that is read as pictures by these first."""
    table = load_cached_table(config)
    if dataset.kind == "image":
        show_pictures(upload, config, dataset)
        show_notes(choose_file_notes(table, dataset))
        with st.expander(f"{len(table.columns):,} columns"):
            show_columns(upload, config)
        return
    show_set_numbers(dataset)
    show_reading_controls(upload, config, dataset)
    st.caption(describe_use(table))
    show_columns(upload, config)
    show_column_details(upload, config)
    for note in describe_likely_labels(table):
        show_warning(note, icon="label")
    show_set_actions(upload)
    show_notes(choose_file_notes(table, dataset))
    show_first_cells(table)


# -- what it looks like


def show_set_numbers(dataset: Dataset) -> None:
    """Show how many examples there are, how large, and which classes."""
    row = st.container(horizontal=True)
    row.metric("Training examples", f"{len(dataset.train.x):,}", width=NUMBER_WIDTH)
    row.metric("Test examples", f"{len(dataset.test.x):,}", width=NUMBER_WIDTH)
    shape = dataset.input_shape
    if len(shape) == 3:
        what = f"Pictures {describe_channels(shape[0])}."
        row.metric("Pixels", f"{shape[2]} x {shape[1]}", width=NUMBER_WIDTH, help=what)
    else:
        what = "Numbers that a model gets of each row: one for each word of a category."
        row.metric("Inputs", f"{shape[0]:,}", width=NUMBER_WIDTH, help=what)
    row.metric(
        "Classes",
        len(dataset.classes) or "none",
        width=NUMBER_WIDTH,
        help=", ".join(map(escape_name, dataset.classes[:50])) or None,
    )
    if dataset.train.x.is_floating_point():
        missing = measure_missing_share(dataset.train.x)
        row.metric("Missing inputs", f"{missing:.2%}" if missing else "none", width=NUMBER_WIDTH)


def show_first_pictures(dataset: Dataset) -> None:
    """Show the first training pictures in a grid."""
    x = as_float(dataset.train.x[:SHOWN_PICTURES])
    st.image(
        draw_grid(x, 8 if len(x) > 8 else None),
        width="stretch" if len(x) > 8 else "content",
        alt=f"{len(x)} of {len(dataset.train.x):,} training pictures",
    )
    if x.shape[1] not in (1, 3):
        st.caption(f"Pictures {describe_channels(x.shape[1])}.")


def show_array_rows(dataset: Dataset) -> None:
    """Show the first training rows of arrays."""
    rows = dataset.train.x[:SHOWN_ROWS, :SHOWN_COLUMNS].numpy()
    frame = pd.DataFrame(rows, columns=list(dataset.columns[:SHOWN_COLUMNS]))
    st.markdown("**First rows**")
    st.dataframe(frame, alt="The first rows")


def show_first_cells(table: Table) -> None:
    """Show the first rows of a table as they are understood."""
    frame = make_frame(table._replace(columns=table.columns[:SHOWN_COLUMNS]), SHOWN_ROWS)
    days = [str(name) for name in frame if holds_days(frame[name])]
    config = {name: st.column_config.DateColumn() for name in days}
    st.markdown("**First rows**")
    st.dataframe(frame, hide_index=True, column_config=config, alt="The first rows of the table")


def holds_days(cells: pd.Series) -> bool:
    """Returns True for dates without a time of day."""
    if not str(cells.dtype).startswith("timestamp"):
        return False
    return bool((cells.dt.normalize() == cells).all())


def describe_use(table: Table) -> str:
    """Returns a sentence on what becomes of the columns of a table, and one on missing cells."""
    inputs = [column for column in table.columns if column.is_input]
    left_out = [c.name for c in table.columns if c.options.kind in LEFT_OUT_KINDS]
    missing = [column.missing for column in inputs if column.missing]
    text = f"Inputs: {len(inputs):,} of {len(table.columns):,} columns."
    if left_out:
        names = ", ".join(escape_name(name, 40) for name in left_out[:NAMED_COLUMNS])
        more = len(left_out) - NAMED_COLUMNS
        text += f" Left out: {names}" + (f" and {more:,} more." if more > 0 else ".")
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        text += f" Missing: {sum(missing):,} cells in {len(missing):,} {noun}."
    return text


def choose_file_notes(table: Table, dataset: Dataset) -> list[str]:
    """Returns the notes on a table as a whole, and those too long to be read beside a column."""
    known = set(describe_columns_briefly(table))
    long = [column for column in table.columns if len(column.note) > SHORT_NOTE]
    notes = [note for note in dataset.notes if note not in known]
    notes += describe_columns_briefly(table._replace(columns=tuple(long)))
    return [note for note in notes if not note.endswith((PIXEL_HINT, LABEL_HINT))]  # shown above


def show_notes(notes: Sequence[str]) -> None:
    """Show what was guessed, left out or changed as a list of text, folded where it is long."""
    if not notes:
        return
    count = "1 note" if len(notes) == 1 else f"{len(notes):,} notes"
    lines = "\n".join(f"- {escape_name(note, NOTE_LETTERS)}" for note in notes)
    if len(notes) <= SHOWN_NOTES:
        st.markdown(f"**{count}**\n\n{lines}")
    else:
        st.expander(f"{count} on how it was read").markdown(lines)
