"""Buttons that download tables, arrays and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Literal

import pandas as pd
import streamlit as st
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype
from streamlit.delta_generator import DeltaGenerator

from aecore.data.tables.csv_format import PLAIN_CSV, CsvFormat, write_csv
from aecore.data.tables.separators import NUMBER_LIKE

# By suffix: the media type and the name of a Material icon.
DOWNLOAD_TYPES = {
    ".csv": ("text/csv", "table"),
    ".parquet": ("application/octet-stream", "data_table"),
    ".npz": ("application/zip", "data_array"),
    ".png": ("image/png", "image"),
    ".gif": ("image/gif", "gif_box"),
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # of cells that a spreadsheet runs


def offer_download(
    label: str,
    content: bytes | Callable[[], str | bytes],
    file_name: str,
    container: DeltaGenerator | None = None,
    *,
    help: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    disabled: bool = False,
) -> None:
    """Show a button that downloads a file; a function as `content` is called when it is pressed.

    The suffix of `file_name` is one of DOWNLOAD_TYPES. `container` is where the button is shown,
    None the page.
    """
    media_type, icon = DOWNLOAD_TYPES[PurePath(file_name).suffix]
    download_button = st.download_button if container is None else container.download_button
    download_button(
        label,
        content,
        file_name,
        media_type,
        on_click="ignore",
        icon=f":material/{icon}:",
        help=help,
        type=type,
        disabled=disabled,
    )


def offer_csv(
    label: str,
    make_table: Callable[[], pd.DataFrame],
    file_name: str,
    container: DeltaGenerator | None = None,
    *,
    help: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    disabled: bool = False,
    layout: CsvFormat = PLAIN_CSV,
) -> None:
    """Show a button that downloads a table as CSV without its index.

    No cell is one that a spreadsheet would run as a formula. The table is made when the button is
    pressed. `container` is where it is shown, None the page; `layout` is that of the file that the
    table was brought in.
    """
    offer_download(
        label,
        lambda: format_csv(make_table(), layout),
        file_name,
        container,
        help=help,
        type=type,
        disabled=disabled,
    )


def format_csv(frame: pd.DataFrame, layout: CsvFormat = PLAIN_CSV) -> str:
    """Returns a table without its index as CSV, texts that are formulas behind an apostrophe."""
    frame = frame.rename(columns=disarm_formula)
    for i, dtype in enumerate(frame.dtypes):
        if not (is_numeric_dtype(dtype) or is_datetime64_any_dtype(dtype)):
            frame.isetitem(i, [disarm_formula(cell) for cell in frame.iloc[:, i]])
    buffer = io.StringIO(newline="")
    write_csv(frame, buffer, layout)
    return buffer.getvalue()


def disarm_formula(cell: Any) -> Any:
    """Returns a cell behind an apostrophe if a spreadsheet would run it; numbers as they are."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA_STARTS):
        return cell
    return cell if NUMBER_LIKE.fullmatch(cell) else f"'{cell}"


def encode_parquet(frame: pd.DataFrame) -> bytes:
    """Returns a table without its index as the bytes of a .parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
