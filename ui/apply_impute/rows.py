"""Rows: known cells of a table hidden on purpose and filled, held against the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.data.splits import Dataset
from aecore.data.tables.cells import describe_cells
from aecore.data.tables.columns import list_column_slices, list_features, make_schema
from aecore.model.columns import ColumnOptions
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.tasks.impute import compute_filling_errors
from ui.apply_impute.charts import draw_bars, draw_truth_against_filling
from ui.apply_impute.hidden_rows import (
    INTERVAL_SHARE,
    FilledRows,
    compute_column_deviations,
    fill_hidden_rows,
)
from ui.apply_impute.missing_cells import FILLED_STYLE, ROW_TITLE, show_missing_cells
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs, widen_to_own_set

SHOWN_HIDDEN_ROWS = 10


def show_row_imputation(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show hidden cells filled by the run and by baselines, then what is really missing."""
    share, seed = choose_hidden_cells()
    filled = fill_hidden_rows(run, dataset, inputs, share, seed)
    left, right = st.columns(2, gap="large")
    with left:
        show_filling_errors(run, dataset, filled)
        will_calibrate = run.state().state in LIVE_STATES and run.config().model.calibration > 0
        show_coverage(filled, will_calibrate)
    with right:
        show_column_truth(dataset, filled, run)
    show_first_rows(dataset, filled, run)
    show_missing_cells(run, dataset, widen_to_own_set(run, dataset, inputs))


def choose_hidden_cells() -> tuple[float, int]:
    """Show controls for the share of hidden cells and for the seed; return both."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    percent = row.slider(
        "Cells hidden",
        5,
        80,
        20,
        5,
        key="hidden",
        bind="query-params",
        format="%d %%",
        width=260,
        help="Known cells hidden on purpose, so that the filling can be judged.",
    )
    seed = row.number_input(
        "Seed",
        0,
        2**31,
        0,
        key="pick",
        bind="query-params",
        width=120,
        help="Which cells are hidden.",
    )
    return percent / 100, int(seed or 0)


def show_filling_errors(run: Run, dataset: Dataset, filled: FilledRows) -> None:
    """Show the error of hidden cells for the run and each baseline."""
    deviations = compute_column_deviations(dataset)
    errors = {
        name: compute_filling_errors(filled.heads, filling, filled.x, filled.hidden, deviations)
        for name, filling in filled.fillings.items()
    }
    colours = {run.id: get_variant_colour(run.config().model.variant)}
    numbers = {name: e.numbers for name, e in errors.items() if e.numbers is not None}
    words = {name: e.words for name, e in errors.items() if e.words is not None}
    charts = {
        "errors": (numbers, "error, standard deviations"),
        "word_errors": (words, "share of wrong words"),
    }
    for key, (values, title) in charts.items():
        if values:
            alt = f"{title[0].upper()}{title[1:]}, by {', '.join(values)}"
            st.plotly_chart(draw_bars(values, colours, title), key=key, alt=alt)


def show_coverage(filled: FilledRows, will_calibrate: bool) -> None:
    """Show the share of hidden cells whose truth lies inside the prediction interval.

    `will_calibrate` is True while a training is under way that will calibrate in the end.
    """
    text = (
        f"{int(filled.hidden.sum()):,} known cells of {len(filled.x):,} rows were hidden; "
        "lower is better."
    )
    if filled.interval is None:
        st.caption(
            f"{text} This model gives one filling and no interval: use a variational one, such as "
            "iwae."
        )
        return
    inside = (filled.x >= filled.interval.low) & (filled.x <= filled.interval.high)
    if not filled.is_calibrated:
        way = "train the imputer again for it"
        if will_calibrate:
            way = "that happens when the training ends"
        text += f" The intervals are not calibrated on known cells: {way}."
    st.caption(text)
    if not filled.judged.any():
        return
    held = inside[filled.judged].float()
    error = (INTERVAL_SHARE * (1 - INTERVAL_SHARE) / len(held)) ** 0.5
    st.metric(
        f"Inside the {INTERVAL_SHARE:.0%} interval",
        f"{held.mean().item():.0%}",
        help=f"Of {len(held):,} hidden numbers the share whose truth lies inside. "
        f"{INTERVAL_SHARE:.0%} are expected; with this many numbers chance moves that by up to "
        f"{200 * error:.0f} points.",
    )


def show_column_truth(dataset: Dataset, filled: FilledRows, run: Run) -> None:
    """Show truth against filling of one column's hidden cells, with intervals."""
    schema = dataset.schema or make_schema(dataset.columns)
    slices = list_column_slices(schema)
    gaps = dataset.train.x.isnan().any(0) | filled.x.isnan().any(0)
    names = [name for name, part in slices.items() if filled.hidden[:, part.start].any()]
    names.sort(key=lambda name: not gaps[slices[name].start])  # what has real gaps comes first
    if st.session_state.get("column", names[0]) not in names:
        st.session_state["column"] = names[0]
    name = st.selectbox("Column", names, key="column", bind="query-params")
    column = slices[name].start
    rows = filled.hidden[:, column]
    if schema[name].kind == "category":
        show_word_truth(schema[name], filled.x[rows], filled.fillings[run.id][rows], slices[name])
        return
    ends = None
    if filled.interval is not None:
        low, high = filled.interval.low, filled.interval.high
        ends = (low[rows, column].numpy(), high[rows, column].numpy())
    figure = draw_truth_against_filling(
        filled.x[rows, column].numpy(),
        filled.fillings[run.id][rows, column].numpy(),
        ends,
        *name_first_feature(name, schema[name]),
        get_variant_colour(run.config().model.variant),
    )
    st.plotly_chart(figure, key="truth", alt=f"Truth against filling of hidden cells of {name}")


def name_first_feature(name: str, options: ColumnOptions) -> tuple[str, str]:
    """Returns the name and the unit of the first input that a column becomes."""
    if options.kind == "date" and options.parts and options.parts[0] != "time":
        return list_features(name, options)[0], ""
    return name, options.unit


def show_word_truth(options: ColumnOptions, x: Tensor, filling: Tensor, part: slice) -> None:
    """Show how often each hidden word was filled with which."""
    words = np.array(options.categories, object)
    truth, found = (words[values[:, part].argmax(1).numpy()] for values in (x, filling))
    counts = pd.crosstab(pd.Series(truth, name="truth"), pd.Series(found, name="filled with"))
    st.dataframe(counts, alt="Hidden words by what they were filled with")


def show_first_rows(dataset: Dataset, filled: FilledRows, run: Run) -> None:
    """Show rows with hidden cells, filled: those cells marked, with the truth in brackets."""
    rows = filled.hidden.any(1).nonzero().flatten()[:SHOWN_HIDDEN_ROWS].tolist()
    schema = dataset.schema or make_schema(dataset.columns)
    slices = list_column_slices(schema)
    cells = [format_filled_row(schema, filled, run, row) for row in rows]
    frame = pd.DataFrame(cells, columns=list(slices), index=pd.Index(rows, name=ROW_TITLE))
    firsts = [part.start for part in slices.values()]
    marks = pd.DataFrame(
        np.where(filled.hidden[rows][:, firsts].numpy(), FILLED_STYLE, ""),
        frame.index,
        frame.columns,
    )
    st.markdown("**Hidden and filled again**, the truth in brackets")
    st.dataframe(frame.style.apply(lambda _: marks, axis=None), alt="Rows with filled cells marked")


def format_filled_row(
    schema: Mapping[str, ColumnOptions], filled: FilledRows, run: Run, row: int
) -> list[str]:
    """Returns the cells of a row in words, with the truth in brackets where one was hidden."""
    found = describe_cells(schema, filled.fillings[run.id][row].numpy())
    truth = describe_cells(schema, filled.x[row].numpy())
    return [
        f"{found[name]} ({truth[name]})" if filled.hidden[row, part.start] else found[name]
        for name, part in list_column_slices(schema).items()
    ]
