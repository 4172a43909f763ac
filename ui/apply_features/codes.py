"""Codes: the code of every input as a table to take along."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from aecore.data.splits import Dataset, Split
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.features import make_code_table
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import encode_parquet, offer_csv, offer_download
from ui.kit.inputs import Inputs

SHOWN_CODE_ROWS = 200


def show_code_table(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show the code of every input, and offer them as files."""
    table = load_code_table(str(run.path), run.version(), digest_examples(inputs.x), run, inputs)
    st.caption(
        f"{len(table):,} rows of {escape_name(inputs.name)}: "
        f"{get_model(run).config.latent_dim} numbers each, beside what you brought."
    )
    st.dataframe(table.head(SHOWN_CODE_ROWS), height=420, alt="The first codes")
    row = st.container(horizontal=True)
    stem = f"{run.id}-codes"
    offer_csv("CSV", lambda: table, f"{stem}.csv", row, type="primary")
    offer_download("Parquet", lambda: encode_parquet(table), f"{stem}.parquet", row)


@st.cache_data(max_entries=8, show_spinner="Encoding ...")
def load_code_table(
    path: str, version: float, digest: str, _run: Run, _inputs: Inputs
) -> pd.DataFrame:
    """Returns the codes of inputs, which `digest` identifies, beside the visitor's own columns."""
    table = make_code_table(get_model(_run), Split(_inputs.x, _inputs.y), _inputs.classes)
    if _inputs.names:
        table.insert(0, "name", list(_inputs.names))
    if _inputs.frame is None:
        return table
    codes = table.drop(columns="class", errors="ignore")
    return pd.concat([_inputs.frame.reset_index(drop=True), codes], axis=1)
