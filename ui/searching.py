"""What the Search page is made of: a query, what is nearest to it, and how often that is of its class."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, metrics
from aecore.data import Dataset, Split
from aecore.pictures import grid
from aecore.runs import Run
from aecore.tasks import search
from aecore.tasks.search import Found, Index, Score
from ui import cache, drawing, examples, figures
from ui.inputs import Inputs, resized

SHOWN, BESIDE = 16, 8
QUERIES, COLLECTED = 500, 10_000  # behind precision
SPLITS = {"training set": "train", "test set": "test"}


class Query(NamedTuple):
    """What is looked for."""

    x: Tensor  # (1, *input_shape)
    label: str
    kind: int | None  # its class
    itself: int | None  # its own row, where it is in the collection


class Collection(NamedTuple):
    """What is searched."""

    split: Split
    classes: tuple[str, ...]
    names: tuple[str, ...]
    index: Index  # by code
    title: str


def look(run: Run, found: Dataset, inputs: Inputs) -> None:
    """Choose a query and a collection; see what is nearest, by code and otherwise."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    ways = ["by number"] + ["drawn"] * (len(found.input_shape) == 3)
    way = row.segmented_control("Query", ways, default=ways[0], required=True, key="query", bind="query-params")
    places = [*SPLITS, "the inputs"]
    place = row.segmented_control("Collection", places, default=places[0], required=True, key="collection",
                                  bind="query-params", help="Where to search; *the inputs*: those above.")  # fmt: skip
    collection = collected(run, found, inputs, place)
    query = asked(run, found, inputs, way, place, row)
    if query is None:
        st.info("Draw something in the black field, and what is like it appears here.", icon=":material/draw:")
        return
    net = cache.model(run)
    started = time.perf_counter()
    near = collection.index.nearest(metrics.encode(net, query.x), SHOWN + 1)
    took = 1000 * (time.perf_counter() - started)
    near = without(near, query.itself)
    left, right = st.columns([1, 3], gap="large")
    with left:
        show_query(run, found, query)
        st.metric("Found in", f"{took:.1f} ms", help="Encoding the query and comparing it with every code, exactly.")
        st.caption(f"among the {len(collection.split.x):,} of the {collection.title}")
    with right:
        results(run, found, collection, near, query, SHOWN, "By code", f"{net.config.latent_dim} numbers an example")
        download(run, collection, near)
    st.subheader("The same query otherwise", anchor=False)
    for name, index, vector in otherwise(run, found, collection, query):
        close = without(index.nearest(vector, BESIDE + 1), query.itself)
        results(run, found, collection, close, query, BESIDE, name, f"{index.vectors.shape[1]:,} numbers an example")


def asked(run: Run, found: Dataset, inputs: Inputs, way: str, place: str, row: Any) -> Query | None:
    """The query that the controls name; None while nothing is drawn."""
    if way == "drawn":
        drawn = drawing.ask()
        x = None if drawn is None else data.as_float(resized(drawn, found.input_shape)[0])
        return None if x is None else Query(x, "drawn", None, None)
    at = examples.choose_index(row, "Number", "number", len(inputs.x), 0, "Counted from 0.") or 0
    own_test = inputs.frame is None and inputs.name.startswith("test set")
    itself = at if place == "the inputs" or (own_test and SPLITS.get(place) == "test") else None
    kind = None if inputs.y is None else int(inputs.y[at])
    return Query(data.as_float(inputs.x[at : at + 1]), inputs.label(at), kind, itself)


def collected(run: Run, found: Dataset, inputs: Inputs, place: str) -> Collection:
    if place in SPLITS:
        split = getattr(found, SPLITS[place])
        index = load_index(str(run.path), run.version(), found.name, SPLITS[place], run)
        return Collection(split, found.classes, (), index, f"{place} of {found.name}")
    index = search.index(metrics.encode(cache.model(run), inputs.x))
    return Collection(Split(inputs.x, inputs.y), inputs.classes, inputs.names, index, inputs.name)


@st.cache_resource(max_entries=8, show_spinner="Encoding the collection ...")
def load_index(path: str, version: float, name: str, split: str, _run: Run) -> Index:
    return search.index(torch.from_numpy(cache.codes(_run, split)[0]))


def without(near: Found, row: int | None) -> Found:
    """What was found, without the query itself."""
    keep = near.rows[0] != (-1 if row is None else row)
    return Found(near.rows[:, keep], near.distances[:, keep])


def show_query(run: Run, found: Dataset, query: Query) -> None:
    net = cache.model(run)
    if examples.is_cloud(found):
        st.markdown(f"**{query.label}**")
        return
    st.image(grid(examples.large(net, query.x), 1), width=180, alt=f"The query: {query.label}")
    kind = f", class {found.classes[query.kind]}" if query.kind is not None and query.kind < len(found.classes) else ""
    st.caption(f"Query: {query.label}{kind}")


def results(
    run: Run, found: Dataset, collection: Collection, near: Found, query: Query, count: int, name: str, about: str
) -> None:
    """The nearest, nearest first, and how many are of the query's class."""
    rows = near.rows[0, :count].tolist()
    x = data.as_float(collection.split.x[rows])
    text = f"**{name}**, {about}"
    if query.kind is not None and collection.split.y is not None:
        right = int((collection.split.y[rows] == query.kind).sum())
        text += f": {right} of {len(rows)} are of its class"
    st.markdown(text)
    if examples.is_cloud(found):
        st.dataframe(examples.table(found, {str(i): row for i, row in zip(rows, x, strict=True)}), alt=name)
        return
    st.image(examples.picture(cache.model(run), x, 8), width="stretch", alt=f"The {len(rows)} nearest, {name.lower()}")


def download(run: Run, collection: Collection, near: Found) -> None:
    rows = near.rows[0].tolist()
    table = pd.DataFrame({"row": rows, "distance": near.distances[0].tolist()})
    if collection.names:
        table["name"] = [collection.names[i] for i in rows]
    if collection.split.y is not None and collection.classes:
        table["class"] = [collection.classes[int(collection.split.y[i])] for i in rows]
    st.download_button("Results as CSV", lambda: table.to_csv(index=False), f"{run.id}-search.csv", "text/csv",
                       icon=":material/table:", on_click="ignore", help="Row, distance, name and class.")  # fmt: skip


def otherwise(run: Run, found: Dataset, collection: Collection, query: Query) -> list[tuple[str, Index, Tensor]]:
    """By bare values, and by as many principal components as the code has units."""
    x = data.as_float(collection.split.x[:COLLECTED])
    raw, components, mean, basis = load_plain(collection.title, len(x), cache.model(run).config.latent_dim, x)
    flat = query.x.flatten(1)
    return [("By bare values", raw, flat), ("By PCA", components, (flat - mean) @ basis)]


@st.cache_resource(max_entries=6, show_spinner="Finding the principal components ...")
def load_plain(title: str, count: int, units: int, _x: Tensor) -> tuple[Index, Index, Tensor, Tensor]:
    from sklearn.decomposition import PCA

    flat = _x.flatten(1)
    pca = PCA(min(units, *flat.shape), random_state=0).fit(flat.numpy())
    mean, basis = torch.from_numpy(pca.mean_).float(), torch.from_numpy(pca.components_.T.copy()).float()
    return search.index(flat), search.index((flat - mean) @ basis), mean, basis


# -- how well


def precision(run: Run, found: Dataset) -> None:
    """How often what is found is of the query's class, by code, bare values and PCA."""
    if found.train.y is None or found.test.y is None:
        st.caption("These data have no classes to judge a search by.")
        return
    st.subheader("How often it is right", anchor=False)
    scores = load_scores(str(run.path), run.version(), found.name, run, found)
    names = list(scores)
    first, near = [s.first for s in scores.values()], [s.precision for s in scores.values()]
    series = {"the nearest": first, f"the {next(iter(scores.values())).k} nearest": near}
    figure = figures.grouped_bars(names, series, "share of the query's class")
    st.plotly_chart(figure, key="precision", alt=f"Precision of search by {', '.join(names)}")
    st.caption(f"{min(QUERIES, len(found.test.x)):,} test queries in {min(COLLECTED, len(found.train.x)):,} training "
               "examples; higher is better.")  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Searching with many queries ...")
def load_scores(path: str, version: float, name: str, _run: Run, _found: Dataset) -> dict[str, Score]:
    net = cache.model(_run)
    train, test = sampled(_found.train, COLLECTED), sampled(_found.test, QUERIES)
    ways = {f"code, {net.config.latent_dim}": (metrics.encode(net, train.x), metrics.encode(net, test.x))}
    ways |= search.baselines(train.x, test.x, net.config.latent_dim)
    return {way: search.score(a, train.y, b, test.y) for way, (a, b) in ways.items()}


def sampled(split: Split, count: int) -> Split:
    rows = torch.randperm(len(split.x), generator=torch.Generator().manual_seed(0))[:count]
    x = split.x[rows]
    return Split(x.nan_to_num(0) if x.is_floating_point() else x, split.y[rows])
