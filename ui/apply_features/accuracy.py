"""Accuracy: simple classifiers on codes, raw values and principal components."""

from __future__ import annotations

import pandas as pd
import streamlit as st
import torch

from aecore.data.splits import Dataset, Split
from aecore.runs.run import Run
from aecore.tasks.features import FeatureAccuracy, compare_features
from ui.apply_features.runs import list_runs_on_same_data
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.figures import draw_grouped_bars
from ui.kit.inputs import Inputs, fill_with_means
from ui.kit.memory import keep_in_memory

DEFAULT_RUNS, MAX_RUNS = 4, 6  # that are compared
CLASSIFIER_ROWS, CLASSIFIER_TEST_ROWS = 2000, 2000  # examples behind the classifiers


def show_feature_accuracy(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show the test errors of classifiers on codes, raw values and principal components."""
    if dataset.train.y is None or len(dataset.classes) < 2:
        st.info(
            "Features are judged by the classes that they tell apart, and these data have none.",
            icon=":material/info:",
        )
        return
    runs = choose_feature_runs(run)
    results = load_feature_accuracy(
        tuple((str(run.path), run.version()) for run in runs), dataset.name, runs, dataset
    )
    ids = {run.id for run in runs}
    names = [
        f"{result.name}, {result.size}" if result.name in ids else result.name for result in results
    ]
    errors = {
        "logistic regression": [100 * result.linear for result in results],
        "nearest neighbour": [100 * result.nearest for result in results],
    }
    st.plotly_chart(
        draw_grouped_bars(names, errors, "test error, %"),
        key="worth",
        alt=f"Test errors of classifiers on {', '.join(names)}",
    )
    st.caption(
        f"Trained on up to {CLASSIFIER_ROWS:,} examples, tested on up to "
        f"{CLASSIFIER_TEST_ROWS:,}; lower is better. PCA has as many numbers as the codes beside "
        "it."
    )
    table = pd.DataFrame([result._asdict() for result in results])
    offer_csv("Figures as CSV", lambda: table, "worth.csv")


def choose_feature_runs(run: Run) -> list[Run]:
    """Show a list of the runs on the same data, kept in the address; return the chosen ones."""
    runs = {other.id: other for other in list_runs_on_same_data(run)}
    ids = st.multiselect(
        "Runs",
        list(runs),
        list(runs)[:DEFAULT_RUNS],
        key="runs",
        bind="query-params",
        max_selections=MAX_RUNS,
    )
    return [runs[run_id] for run_id in ids] or [run]


@keep_in_memory("Training classifiers on codes, values and components ...")
def load_feature_accuracy(
    versions: object, data_name: str, _runs: list[Run], _dataset: Dataset
) -> list[FeatureAccuracy]:
    """Returns the accuracy on the codes of each run, on raw values and on components."""
    train, test = (
        sample_split_rows(part._replace(x=fill_with_means(part.x, _dataset)), count)
        for part, count in (
            (_dataset.train, CLASSIFIER_ROWS),
            (_dataset.test, CLASSIFIER_TEST_ROWS),
        )
    )
    models = {run.id: get_model(run) for run in _runs}
    return compare_features(models, train, test, CLASSIFIER_ROWS)


def sample_split_rows(split: Split, count: int) -> Split:
    """Returns at most `count` labelled examples of a split, drawn by a fixed seed."""
    rows = torch.randperm(len(split.x), generator=torch.Generator().manual_seed(1))[:count]
    return Split(split.x[rows], None if split.y is None else split.y[rows])
