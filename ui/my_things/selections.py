"""The selections that the visitor named on the map of the page Latent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from aecore.model.config import DataConfig
from aecore.names import escape_name
from aecore.runs.foreign import name_data
from ui.kit.downloads import offer_csv
from ui.kit.inputs import SPLIT_NAMES
from ui.kit.links import list_selections


def show_selections() -> None:
    """Show the named selections with their rows as CSV; nothing where there are none."""
    selections = list_selections()
    if not selections:
        return
    st.subheader("Selections", anchor=False)
    st.caption("Named on the page Latent; kept until you close this tab.")
    for (data, split), named in selections.items():
        for name, rows in named.items():
            show_selection(
                name, f"{SPLIT_NAMES[split]} of {name_data(DataConfig(name=data))}", rows
            )


def show_selection(name: str, place: str, rows: np.ndarray) -> None:
    """Show a selection: its name, of what it is, and a button that downloads its rows."""
    row = st.container(horizontal=True, vertical_alignment="center", border=True)
    row.markdown("## :gray[:material/lasso_select:]", width=64, text_alignment="center")
    with row.container(width=280, gap=None):
        st.markdown(f"**{escape_name(name)}**")
        st.caption(escape_name(f"Selection · {len(rows):,} rows of the {place}"))
    offer_csv("Rows as CSV", lambda: pd.DataFrame({"row": rows}), "selection.csv", row)
