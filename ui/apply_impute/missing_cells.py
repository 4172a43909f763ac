"""Missing cells: a table as it was brought, filled and offered as a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.imputation import impute_cells
from aecore.analysis.intervals import PredictionInterval, predict_interval
from aecore.data.splits import Dataset
from aecore.data.tables.cells import has_described_cells
from aecore.data.tables.columns import list_column_slices, make_schema
from aecore.data.tables.filled_cells import FilledFeatures, list_filled_cells
from aecore.data.tables.filling import decode_features, fill_table
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.impute import FILLING_DRAWS, count_draws
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import encode_parquet, offer_csv, offer_download
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

SHOWN_MISSING_ROWS = 50
ROW_TITLE = "row (from 0)"
CELL_COLUMNS = {
    "row": st.column_config.NumberColumn(ROW_TITLE),
    "probability": st.column_config.NumberColumn(format="percent"),
}
FILLED_STYLE = "background-color: rgba(204, 187, 68, 0.45); font-weight: 600"


def show_missing_cells(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show the table as it was brought with its missing cells filled, and offer it."""
    st.subheader("What is really missing", anchor=False)
    if not inputs.x.isnan().any():
        st.caption(
            f"No cell of {escape_name(inputs.name)} is missing. Bring a table with holes on the "
            "page **Data**, choose it as *Inputs*, and take it away filled."
        )
        return
    frame = make_rows_frame(dataset, inputs.x) if inputs.frame is None else inputs.frame
    x = load_imputed_rows(str(run.path), run.version(), digest_examples(inputs.x), run, inputs.x)
    result = fill_inputs(inputs, dataset, x)
    st.caption(
        f"{int(frame.isna().sum().sum() - result.isna().sum().sum()):,} cells of "
        f"{escape_name(inputs.name)} are filled; all else is as it was. Filled cells are marked; "
        "rows count from 0."
    )
    show_marked_rows(frame, result)
    cells = list_cells(run, dataset, inputs, x)
    st.dataframe(cells, hide_index=True, column_config=CELL_COLUMNS, alt="Filled cells")
    row = st.container(horizontal=True)
    stem = f"{run.id}-{inputs.file_stem}-filled"
    offer_csv(
        "Filled table as CSV", lambda: result, f"{stem}.csv", row, type="primary", layout=inputs.csv
    )
    offer_csv("Filled cells as CSV", lambda: cells, f"{stem}-cells.csv", row)
    offer_download("Parquet", lambda: encode_parquet(result), f"{stem}.parquet", row)


def fill_inputs(inputs: Inputs, dataset: Dataset, x: Tensor) -> pd.DataFrame:
    """Returns a table as it was brought, or rows of numbers, with missing cells taken from x."""
    if inputs.table is None:
        return make_rows_frame(dataset, x)
    schema = dataset.schema or make_schema(dataset.columns)
    return fill_table(inputs.table, schema, x.numpy())


def make_rows_frame(dataset: Dataset, x: Tensor) -> pd.DataFrame:
    """Returns rows (N, features) as a table: words as words, missing cells as missing."""
    if not has_described_cells(dataset.schema):
        return pd.DataFrame(x.numpy(), columns=list(dataset.columns))
    columns = {}
    for name, part in list_column_slices(dataset.schema).items():
        features = x[:, part].numpy()
        cells = decode_features(dataset.schema[name], features)
        column = pd.Series(features[:, 0] if cells is None else cells)
        columns[name] = column.mask(np.isnan(features).all(1))
    return pd.DataFrame(columns)


def list_cells(run: Run, dataset: Dataset, inputs: Inputs, x: Tensor) -> pd.DataFrame:
    """Returns each filled cell with its probability or its interval."""
    schema = dataset.schema or make_schema(dataset.columns)
    missing = inputs.x.isnan().any(1)
    low, high = inputs.x.clone(), inputs.x.clone()
    if is_variational(get_model(run)):
        given = inputs.x[missing]
        ends = load_intervals(str(run.path), run.version(), digest_examples(given), run, given)
        low[missing], high[missing] = ends
        rows = FilledFeatures(inputs.x.numpy(), x.numpy(), low.numpy(), high.numpy())
    else:
        rows = FilledFeatures(inputs.x.numpy(), x.numpy())
    return list_filled_cells(schema, rows)


@keep_in_memory("Finding the intervals ...")
def load_intervals(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> PredictionInterval:
    """Returns 90 % intervals of the missing cells of rows, which `digest` identifies."""
    return predict_interval(get_model(_run), _x, draws=count_draws(2 * len(_x)))


@keep_in_memory("Filling the table ...")
def load_imputed_rows(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> Tensor:
    """Returns rows, which `digest` identifies, with their missing cells filled."""
    return impute_cells(get_model(_run), _x, FILLING_DRAWS)


def show_marked_rows(frame: pd.DataFrame, result: pd.DataFrame) -> None:
    """Show the first rows of `result` that had a missing cell in `frame`, those cells marked."""
    rows = frame.isna().any(axis=1).to_numpy().nonzero()[0][:SHOWN_MISSING_ROWS]
    shown = result.iloc[rows].rename_axis(ROW_TITLE)
    marks = pd.DataFrame(
        np.where(frame.iloc[rows].isna(), FILLED_STYLE, ""), shown.index, shown.columns
    )
    st.dataframe(
        shown.style.apply(lambda _: marks, axis=None).format(precision=4),
        alt="Rows with filled cells marked",
    )
