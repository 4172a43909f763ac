"""Download buttons of tables, arrays and pictures: the icon and the type follow from the suffix."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import PurePath

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# By suffix: the media type and the name of a Material icon.
DOWNLOAD_TYPES = {
    ".csv": ("text/csv", "table"),
    ".parquet": ("application/octet-stream", "data_table"),
    ".npz": ("application/zip", "data_array"),
    ".png": ("image/png", "image"),
    ".gif": ("image/gif", "gif_box"),
}


def offer_download(
    container: DeltaGenerator | None,
    label: str,
    content: bytes | Callable[[], str | bytes],
    file_name: str,
    help: str | None = None,
    primary: bool = False,
) -> None:
    """Show a button that downloads a file; a function as `content` is called on the click.

    `container` is where it is shown, None the page. The suffix of `file_name` is one of
    DOWNLOAD_TYPES.
    """
    media_type, icon = DOWNLOAD_TYPES[PurePath(file_name).suffix]
    download_button = st.download_button if container is None else container.download_button
    download_button(
        label,
        content,
        file_name,
        media_type,
        icon=f":material/{icon}:",
        on_click="ignore",
        help=help,
        type="primary" if primary else "secondary",
    )


def encode_parquet(frame: pd.DataFrame) -> bytes:
    """Returns a table without its index as the bytes of a .parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
