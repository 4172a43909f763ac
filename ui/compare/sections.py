"""The last sections of the Compare page: metrics, differences of configs, and files of both."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.metrics import METRICS
from aecore.runs.run import Run
from ui.compare.differences import tabulate_differences
from ui.compare.sample_metrics import offer_sample_metrics
from ui.compare.tables import (
    NO_BEST,
    list_lacking_metrics,
    mark_best,
    style_metrics,
    tabulate_curves,
    tabulate_metrics,
)
from ui.kit.downloads import offer_csv
from ui.kit.messages import show_warning
from ui.kit.runs import get_shown_config


def show_metrics_table(runs: list[Run]) -> pd.DataFrame:
    """Show the test metrics of each run, the best of a column marked; return them."""
    st.subheader("On the test set", anchor=False)
    table = st.container()
    measured = offer_sample_metrics(runs)
    with table:
        return show_metrics(runs, measured)


def show_metrics(runs: list[Run], measured: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Show the test metrics of each run and those measured now; return them."""
    frame, problems = tabulate_metrics(runs, measured)
    for problem in problems:
        show_warning(problem)
    configs = [run.config() for run in runs]
    marks = mark_best(frame, configs, list_lacking_metrics(frame, runs))
    help_texts = {
        name: st.column_config.Column(METRICS[name].label, help=METRICS[name].help)
        for name in frame.columns
        if name in METRICS
    }
    st.dataframe(
        style_metrics(frame, marks, [config.model.variant for config in configs]),
        hide_index=True,
        column_config=help_texts,
        placeholder="",
        alt="Test metrics of each run",
    )
    st.caption("The best of a column is green." if marks.any(axis=None) else NO_BEST)
    return frame


def show_differences(runs: list[Run]) -> pd.DataFrame:
    """Show the options that are not the same in all runs; return them."""
    st.subheader("What differs in their configs", anchor=False)
    frame = tabulate_differences({run.id: get_shown_config(run.config()) for run in runs})
    if not frame.empty:
        st.dataframe(frame, height="content", alt="Options that differ between the runs")
    elif len(runs) > 1:
        st.caption("Nothing: these configs are equal.")
    else:
        st.caption("Choose a second run to compare with.")
    return frame


def offer_tables(runs: list[Run], metrics: pd.DataFrame, differences: pd.DataFrame) -> None:
    """Offer the tables and the curves of the runs as CSV."""
    row = st.container(horizontal=True)
    tables = {
        "Metrics": metrics,
        "Differences": differences.reset_index(),
        "Curves": tabulate_curves(runs),
    }
    for name, table in tables.items():
        offer_named_table(name, table, row)


def offer_named_table(name: str, table: pd.DataFrame, row: DeltaGenerator) -> None:
    """Offer a table as CSV under its name."""
    file_name = f"{name.lower()}.csv"
    offer_csv(f"{name} as CSV", lambda: table, file_name, row, disabled=table.empty)
