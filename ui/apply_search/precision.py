"""How often a search is right: by code, raw values and PCA, as a whole and for each class."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.metrics import encode_in_chunks
from aecore.data.splits import Dataset
from aecore.runs.run import Run
from aecore.tasks.search import make_baseline_vectors, match_classes
from ui.apply_search.charts import draw_class_dots
from ui.apply_search.sections import describe_comparable_values, to_comparable_values
from ui.kit.cache import get_model
from ui.kit.figures import draw_grouped_bars
from ui.kit.inputs import Inputs, make_split_inputs

PRECISION_QUERIES, PRECISION_NEAREST = 500, 10
RAW_VALUES = 50_000_000  # of the collection: MNIST as a whole


def show_precision(run: Run, found: Dataset) -> None:
    """How often what is found is of the query's class, by code, raw values and PCA; then for each class."""
    if found.train.y is None or found.test.y is None or not found.classes:
        st.caption("These data have no classes to judge a search by.")
        return
    st.subheader("How often it is right", anchor=False)
    ways, y, size = measure_precision(run, found)
    names, k = list(ways), min(right.shape[1] for right in ways.values())
    series = {
        "the nearest": [float(right[:, 0].float().mean()) for right in ways.values()],
        f"the {k} nearest": [float(right.float().mean()) for right in ways.values()],
    }
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            draw_grouped_bars(names, series, "share of the query's class"),
            key="precision",
            alt=f"Precision of search by {', '.join(names)}",
        )
    with right:
        lines = average_by_class(ways, y, found.classes)
        st.plotly_chart(
            draw_class_dots(lines, f"share of the {k} nearest, of its class", "class of the query"),
            key="by-class",
            alt=f"Precision by class for search by {', '.join(names)}",
        )
    st.caption(f"{len(y):,} test queries in {size:,} training examples; higher is better.")


def average_by_class(
    ways: dict[str, Tensor], y: Tensor, classes: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """{way: {class: precision}}, of the classes that have a query."""
    return {
        way: {
            classes[i]: float(right[y == i].float().mean())
            for i in y.unique().tolist()
            if i < len(classes)
        }
        for way, right in ways.items()
    }


def measure_precision(run: Run, found: Dataset) -> tuple[dict[str, Tensor], Tensor, int]:
    """Whether what is found is of the query's class, bool (Q, k) by way; the queries' classes; and among how many."""
    net = get_model(run)
    train, test = (
        sample_rows(found, "train", max(1000, RAW_VALUES // net.config.features)),
        sample_rows(found, "test", PRECISION_QUERIES),
    )
    key = (str(run.path), run.version(), found.name)
    pictures = train.x.dim() == 4  # columns of a table are scaled as this run scales them
    others = (str(run.config().data), found.name, net.config.latent_dim) if pictures else key
    ways = {f"code, {net.config.latent_dim}": load_code_precision(key, run, train, test)}
    return ways | load_baseline_precision(others, run, train, test), test.y, len(train.x)


@st.cache_data(max_entries=16, show_spinner="Searching with many queries, by code ...")
def load_code_precision(
    key: tuple[object, ...], _run: Run, _train: Inputs, _test: Inputs
) -> Tensor:
    net = get_model(_run)
    return match_classes(
        encode_in_chunks(net, _train.x),
        _train.y,
        encode_in_chunks(net, _test.x),
        _test.y,
        PRECISION_NEAREST,
    )


@st.cache_data(
    max_entries=16, show_spinner="Searching with many queries, by raw values and PCA ..."
)
def load_baseline_precision(
    key: tuple[object, ...], _run: Run, _train: Inputs, _test: Inputs
) -> dict[str, Tensor]:
    net = get_model(_run)
    ways = make_baseline_vectors(
        to_comparable_values(net, _train.x),
        to_comparable_values(net, _test.x),
        net.config.latent_dim,
    )
    right = [match_classes(a, _train.y, b, _test.y, PRECISION_NEAREST) for a, b in ways.values()]
    return dict(zip((describe_comparable_values(_train.x), list(ways)[1]), right, strict=True))


def sample_rows(found: Dataset, split: str, count: int) -> Inputs:
    """At most so many of a split, drawn by a seed."""
    part = make_split_inputs(found, split)
    if len(part.x) <= count:
        return part  # no copy
    rows = torch.randperm(len(part.x), generator=torch.Generator().manual_seed(0))[:count]
    return part._replace(x=part.x[rows], y=None if part.y is None else part.y[rows])
