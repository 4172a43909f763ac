"""Codes: the code of every input as a table to take along."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.splits import Dataset
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.features import tabulate_codes
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import encode_parquet, offer_csv, offer_download
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

SHOWN_CODE_ROWS = 200
FILE_ROW = "file_row"  # the name of a column


def show_code_table(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show the code of every input, and offer them as files."""
    table = make_input_table(run, inputs)
    st.caption(
        f"{len(table):,} rows of {escape_name(inputs.name)}: "
        f"{get_model(run).config.latent_dim} numbers each{describe_neighbours(inputs)}."
    )
    st.dataframe(table.head(SHOWN_CODE_ROWS), height=420, alt="The first codes")
    row = st.container(horizontal=True)
    stem = f"{run.id}-{inputs.file_stem}-codes"
    offer_csv("CSV", lambda: table, f"{stem}.csv", row, type="primary", layout=inputs.csv)
    offer_download("Parquet", lambda: encode_parquet(table), f"{stem}.parquet", row)


def describe_neighbours(inputs: Inputs) -> str:
    """Returns what stands beside the codes, as the end of a sentence."""
    if inputs.frame is not None:
        return ", beside the columns of your file"
    if inputs.file_rows is not None:
        return f"; {FILE_ROW} is their place in the whole data, counted from 0"
    return ", in the order of these inputs"


def make_input_table(run: Run, inputs: Inputs) -> pd.DataFrame:
    """Returns the codes of inputs, beside the columns that the visitor brought or their row."""
    digest = digest_examples(inputs.x)
    z = load_code_of_inputs(str(run.path), run.version(), digest, run, inputs.x)
    if inputs.frame is not None:
        return pd.concat([inputs.frame.reset_index(drop=True), tabulate_codes(z, None)], axis=1)
    table = tabulate_codes(z, inputs.y, inputs.classes)
    if inputs.names:
        table.insert(0, "name", list(inputs.names))
    if inputs.file_rows is not None:
        table.insert(0, FILE_ROW, inputs.file_rows)
    return table


@keep_in_memory("Encoding ...")
def load_code_of_inputs(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> Tensor:
    """Returns the codes (N, latent_dim) of inputs, which `digest` identifies."""
    return encode_in_chunks(get_model(_run), _x)
