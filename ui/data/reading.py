"""The controls of how a whole set is read: label, size of pictures, pixels in columns."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.data.describe import holds_table
from aecore.data.images.sizes import SIDES
from aecore.data.splits import Dataset
from aecore.data.tables.column_choices import choose_column_kind, clear_target, set_schema
from aecore.data.tables.column_values import Table
from aecore.data.tables.pixel_columns import find_pixel_columns
from aecore.model.config import DataConfig
from aecore.names import escape_name
from aecore.runs.uploads import UploadedData
from ui.data.changes import (
    ChangeConfig,
    read_inferred,
    read_reading_version,
    request_from_widget,
    request_settings,
)
from ui.kit.cache import load_cached_table
from ui.kit.memory import keep_in_memory

AUTO_SIZE, ORIGINAL_SIZE = "auto", "original"  # options of the size of pictures
OFFERED_SIDES = (*SIDES, 128)  # pixels
NO_COLUMN = -1  # an option of the label


def show_reading_controls(upload: UploadedData, config: DataConfig, dataset: Dataset) -> None:
    """Show what can be chosen for a set as a whole; a change is asked for."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    path = Path(config.name)
    if holds_table(path):
        show_label_choice(row, upload, load_cached_table(config))
        offer_pictures(upload, config)
    elif path.suffix.lower() not in (".npz", ".npy"):
        show_size_choice(row, upload, config, dataset)


def show_label_choice(row: DeltaGenerator, upload: UploadedData, table: Table) -> None:
    """Show a select box over the columns of a table: which holds the label."""
    names = [column.name for column in table.columns]
    key = f"label-{upload.token}-{read_reading_version()}"
    row.selectbox(
        "Label",
        [NO_COLUMN, *range(len(names))],
        names.index(table.target) + 1 if table.target else 0,
        key=key,
        on_change=request_from_widget,
        args=(upload.token, key, make_label_change),
        width=260,
        format_func=lambda place: "(none)" if place == NO_COLUMN else names[place],
        help="Never an input: it colours maps and judges what is found.",
    )


def make_label_change(place: int) -> ChangeConfig:
    """Returns the change to the label at that place among the columns."""
    return partial(choose_label, place=place)


def choose_label(config: DataConfig, place: int) -> DataConfig:
    """Returns the config that takes the column at that place for the label, or none."""
    table, inferred = load_cached_table(config), read_inferred(config)
    if place == NO_COLUMN:
        return set_schema(config, clear_target(table.schema, inferred))
    name = table.columns[place].name
    return set_schema(config, choose_column_kind(table.schema, inferred, name, "target"))


# -- pictures


def show_size_choice(
    row: DeltaGenerator, upload: UploadedData, config: DataConfig, dataset: Dataset
) -> None:
    """Show a select box over sizes of pictures."""
    options = [AUTO_SIZE, ORIGINAL_SIZE, *map(str, OFFERED_SIDES)]
    option = ORIGINAL_SIZE if config.side is None else str(config.side)
    options += [] if option in options else [option]
    key = f"side-{upload.token}-{read_reading_version()}"
    row.selectbox(
        "Size",
        options,
        options.index(option),
        key=key,
        on_change=request_from_widget,
        args=(upload.token, key, make_size_change),
        width=240,
        format_func=partial(name_size, dataset=dataset, is_auto=config.side == AUTO_SIZE),
        help="The square in the middle of each picture, resized.",
    )


def name_size(option: str, dataset: Dataset, is_auto: bool) -> str:
    """Returns what a page calls a size; the automatic one with what it became."""
    if option == ORIGINAL_SIZE:
        return "as they are"
    if option != AUTO_SIZE:
        return f"{option} x {option} pixels"
    height, width = dataset.input_shape[-2:]
    return f"automatic: {width} x {height} pixels" if is_auto else "automatic"


def make_size_change(option: str) -> ChangeConfig:
    """Returns the change to another size of pictures."""
    side = None if option == ORIGINAL_SIZE else option if option == AUTO_SIZE else int(option)
    return partial(DataConfig.model_copy, update={"side": side})


# -- pixels in columns


class PixelColumns(NamedTuple):
    """Columns of a table that are the pixels of pictures."""

    first: str
    last: str
    side: int
    are_all: bool  # the inputs

    def describe(self) -> str:
        """Returns a sentence on them, as Markdown."""
        names = f"{escape_name(self.first, 40)} to {escape_name(self.last, 40)}"
        text = f"{names} look like pictures of {self.side} x {self.side} pixels."
        return text if self.are_all else f"{text} To read them so, set other inputs to *ignore*."


@keep_in_memory()
def find_pixels(config: DataConfig, version: float) -> PixelColumns | None:
    """Returns the columns of a table that are pixels; None where there are none."""
    columns = load_cached_table(config).columns
    names = find_pixel_columns({column.name: column for column in columns})
    if not names:
        return None
    are_all = len(names) == sum(column.is_input for column in columns)
    return PixelColumns(names[0], names[-1], math.isqrt(len(names)), are_all)


def offer_pictures(upload: UploadedData, config: DataConfig) -> None:
    """Offer to read rows of pixels as pictures, or as numbers again; else nothing."""
    pixels = find_pixels(config, Path(config.name).stat().st_mtime)
    if pixels is None:
        return
    is_picture = config.pixels == "pictures" and pixels.are_all
    if not is_picture:
        st.markdown(pixels.describe())
    if pixels.are_all:
        st.button(
            "Read as rows of numbers" if is_picture else "Read as pictures",
            icon=":material/table_rows:" if is_picture else ":material/image:",
            type="secondary" if is_picture else "primary",
            key=f"pixels-{upload.token}",
            on_click=request_settings,
            args=(upload.token,),
            kwargs={"pixels": "numbers" if is_picture else "pictures"},
        )
