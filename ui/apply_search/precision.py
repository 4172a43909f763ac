"""Retrieval precision: by code, raw values and PCA, as a whole and for each class."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.progress import track_progress
from aecore.runs.run import Run
from aecore.tasks.search import make_baseline_vectors, match_classes
from ui.apply_search.charts import draw_class_dots
from ui.apply_search.collection import (
    RAW_VALUES,
    describe_comparable_values,
    to_comparable_values,
)
from ui.kit.cache import get_model
from ui.kit.figures import draw_grouped_bars
from ui.kit.inputs import make_split_inputs
from ui.kit.memory import keep_in_memory

PRECISION_QUERIES, PRECISION_NEAREST = 500, 10
MIN_COLLECTION, COLLECTION_VALUES = 1000, 50_000_000  # examples; values in all: MNIST as a whole


class LabelledExamples(NamedTuple):
    """Examples with their classes."""

    x: Tensor  # (N, *input_shape)
    y: Tensor  # (N,)


class PrecisionResult(NamedTuple):
    """The matches of the nearest with the query's class, for each method."""

    matches: dict[str, Tensor]  # bool (Q, k) by method
    y: Tensor  # (Q,) classes of the queries
    size: int  # examples in the collection


def show_precision(run: Run, dataset: Dataset) -> None:
    """Show the share of results that are of the query's class, by method, then by class."""
    if dataset.train.y is None or dataset.test.y is None or not dataset.classes:
        st.caption("These data have no classes to judge a search by.")
        return
    st.subheader("Retrieval precision", anchor=False)
    result = measure_precision(run, dataset)
    methods = ", ".join(result.matches)
    nearest_count = min(match.shape[1] for match in result.matches.values())
    left, right = st.columns(2, gap="large")
    with left:
        series = {
            "the nearest": [float(match[:, 0].float().mean()) for match in result.matches.values()],
            f"the {nearest_count} nearest": [
                float(match.float().mean()) for match in result.matches.values()
            ],
        }
        st.plotly_chart(
            draw_grouped_bars(list(result.matches), series, "share of the query's class"),
            key="precision",
            alt=f"Precision of search by {methods}",
        )
    with right:
        shares = average_by_class(result.matches, result.y, dataset.classes)
        y_title = f"share of the {nearest_count} nearest, of its class"
        st.plotly_chart(
            draw_class_dots(shares, y_title, "class of the query"),
            key="by-class",
            alt=f"Precision by class for search by {methods}",
        )
    st.caption(
        f"{len(result.y):,} test queries in {result.size:,} training examples; higher is better."
    )


def average_by_class(
    matches: dict[str, Tensor], y: Tensor, classes: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Returns {method: {class: precision}} for the classes that have a query."""
    present = [i for i in y.unique().tolist() if i < len(classes)]
    return {
        method: {classes[i]: float(match[y == i].float().mean()) for i in present}
        for method, match in matches.items()
    }


def measure_precision(run: Run, dataset: Dataset) -> PrecisionResult:
    """Returns which training examples that test queries find are of their class."""
    config = get_model(run).config
    train_count = max(MIN_COLLECTION, COLLECTION_VALUES // config.features)
    train = sample_labelled_rows(dataset, "train", train_count)
    test = sample_labelled_rows(dataset, "test", PRECISION_QUERIES)
    key = (str(run.path), run.version(), dataset.name)
    matches = {f"code, {config.latent_dim}": load_code_precision(key, run, train, test)}
    baseline_key: tuple[object, ...] = key  # columns of a table are scaled as this run scales them
    if train.x.dim() == 4:
        baseline_key = (run.config().data, dataset.name, config.latent_dim)
    matches |= load_baseline_precision(baseline_key, run, train, test)
    return PrecisionResult(matches, test.y, len(train.x))


@keep_in_memory("Searching with many queries, by code ...")
def load_code_precision(
    key: tuple[object, ...], _run: Run, _train: LabelledExamples, _test: LabelledExamples
) -> Tensor:
    """Returns which of the nearest by code are of the query's class, bool (Q, k)."""
    model = get_model(_run)
    return match_classes(
        encode_in_chunks(model, _train.x),
        _train.y,
        encode_in_chunks(model, _test.x),
        _test.y,
        PRECISION_NEAREST,
    )


@keep_in_memory("Searching with many queries, by raw values and PCA ...")
def load_baseline_precision(
    key: tuple[object, ...], _run: Run, _train: LabelledExamples, _test: LabelledExamples
) -> dict[str, Tensor]:
    """Returns which of the nearest by each baseline are of the query's class, bool (Q, k)."""
    model = get_model(_run)
    vectors = make_baseline_vectors(
        to_comparable_values(model, _train.x),
        to_comparable_values(model, _test.x),
        model.config.latent_dim,
    )
    matches = {}
    for name, (collection, queries) in track_progress(list(vectors.items())):
        method = describe_comparable_values(_train.x) if name == RAW_VALUES else name
        matches[method] = match_classes(collection, _train.y, queries, _test.y, PRECISION_NEAREST)
    return matches


def sample_labelled_rows(dataset: Dataset, split: str, count: int) -> LabelledExamples:
    """Returns at most `count` examples of a split, drawn by a fixed seed.

    Raises DataError where they have no classes.
    """
    inputs = make_split_inputs(dataset, split)
    if inputs.y is None:
        raise DataError(f"The {inputs.name} has no classes.")
    if len(inputs.x) <= count:
        return LabelledExamples(inputs.x, inputs.y)  # no copy
    rows = torch.randperm(len(inputs.x), generator=torch.Generator().manual_seed(0))[:count]
    return LabelledExamples(inputs.x[rows], inputs.y[rows])
