"""Buttons that download a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def offer_csv(
    label: str,
    make_table: Callable[[], pd.DataFrame],
    file_name: str,
    container: DeltaGenerator | None = None,
    *,
    help: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    disabled: bool = False,
) -> None:
    """Show a button that downloads a table as CSV without its index.

    The table is made when the button is pressed. `container` is where it is shown, None the page.
    """
    download_button = st.download_button if container is None else container.download_button
    download_button(
        label,
        lambda: make_table().to_csv(index=False),
        file_name,
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
        help=help,
        type=type,
        disabled=disabled,
    )
