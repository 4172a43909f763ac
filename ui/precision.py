"""How often a search is right: by code, raw values and PCA, as a whole and for each class."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore import metrics
from aecore.data import Dataset
from aecore.runs import Run
from aecore.tasks import search
from ui import cache, figures, inputs
from ui.inputs import Inputs
from ui.searching import plain, values

QUERIES, NEAREST = 500, 10
VALUES = 50_000_000  # of the collection: MNIST as a whole


def show(run: Run, found: Dataset) -> None:
    """How often what is found is of the query's class, by code, raw values and PCA; then for each class."""
    if found.train.y is None or found.test.y is None or not found.classes:
        st.caption("These data have no classes to judge a search by.")
        return
    st.subheader("How often it is right", anchor=False)
    ways, y, size = load_precision(str(run.path), run.version(), found.name, run, found)
    names, k = list(ways), min(right.shape[1] for right in ways.values())
    series = {"the nearest": [float(right[:, 0].float().mean()) for right in ways.values()],
              f"the {k} nearest": [float(right.float().mean()) for right in ways.values()]}  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(figures.grouped_bars(names, series, "share of the query's class"), key="precision",
                        alt=f"Precision of search by {', '.join(names)}")  # fmt: skip
    with right:
        lines = by_class(ways, y, found.classes)
        st.plotly_chart(figures.class_dots(lines, f"share of the {k} nearest, of its class", "class of the query"),
                        key="by-class", alt=f"Precision by class for search by {', '.join(names)}")  # fmt: skip
    st.caption(f"{len(y):,} test queries in {size:,} training examples; higher is better.")


def by_class(ways: dict[str, Tensor], y: Tensor, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """{way: {class: precision}}, of the classes that have a query."""
    return {way: {classes[i]: float(right[y == i].float().mean()) for i in y.unique().tolist() if i < len(classes)}
            for way, right in ways.items()}  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Searching with many queries ...")
def load_precision(
    path: str, version: float, name: str, _run: Run, _found: Dataset
) -> tuple[dict[str, Tensor], Tensor, int]:
    """Whether what is found is of the query's class, bool (Q, k) by way; the queries' classes; and among how many."""
    net = cache.model(_run)
    most = max(1000, VALUES // net.config.features)
    train, test = sampled(inputs.of(_found, "train"), most), sampled(inputs.of(_found, "test"), QUERIES)
    ways = {f"code, {net.config.latent_dim}": (metrics.encode(net, train.x), metrics.encode(net, test.x))}
    others = search.baselines(plain(net, train.x), plain(net, test.x), net.config.latent_dim)
    ways |= dict(zip((values(train.x), list(others)[1]), others.values(), strict=True))
    right = {way: search.alike(a, train.y, b, test.y, NEAREST) for way, (a, b) in ways.items()}
    return right, test.y, len(train.x)


def sampled(part: Inputs, count: int) -> Inputs:
    """At most so many, drawn by a seed."""
    rows = torch.randperm(len(part.x), generator=torch.Generator().manual_seed(0))[:count]
    return part._replace(x=part.x[rows], y=None if part.y is None else part.y[rows])
