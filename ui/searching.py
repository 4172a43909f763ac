"""What the Search page is made of: a query, what is nearest to it, and the same query by other means."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data, metrics
from aecore.autoencoder import Autoencoder
from aecore.data import Dataset
from aecore.pictures import grid
from aecore.runs import Run
from aecore.tasks import search
from aecore.tasks.search import Found, Index, Principal
from ui import cache, drawing, examples, figures, inputs
from ui.inputs import Inputs, resized

SHOWN, BESIDE, ROWS = 15, 8, 3
FITTED = 20_000  # examples behind PCA
PLACES = {"training set": "train", "test set": "test"}


class Query(NamedTuple):
    """What is looked for."""

    x: Tensor  # (1, *input_shape)
    label: str
    kind: str | None  # its class
    itself: int | None  # its own row, where it is in the collection


class Collection(NamedTuple):
    """What is searched."""

    part: Inputs
    index: Index  # by code
    pca: Principal
    components: Index

    @property
    def name(self) -> str:
        return self.part.name

    def kind(self, row: int) -> str | None:
        """The class of an example."""
        known = self.part.y is not None and self.part.classes
        return self.part.classes[int(self.part.y[row])] if known else None


def look(run: Run, found: Dataset, given: Inputs) -> None:
    """Choose a query and a collection; see what is nearest, by code and otherwise."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    way = choose(row, "Query", "query", ["by number"] + ["drawn"] * (len(found.input_shape) == 3),
                 "One of the inputs above, by its number, or a drawing.")  # fmt: skip
    place = choose(row, "Collection", "collection", [*PLACES, "the inputs"],
                   "Where to search; *the inputs*: those above.")  # fmt: skip
    collection = collected(run, found, given, place)
    left, right = st.columns([1, 2], gap="large")
    with left:
        query = asked(found, given, way, place, row)
    if query is None:
        right.info("Draw something in the black field, and what is like it appears here.", icon=":material/draw:")
        return
    net = cache.model(run)
    started = time.perf_counter()
    near = collection.index.nearest(metrics.encode(net, query.x), SHOWN + 1)
    took = 1000 * (time.perf_counter() - started)
    near = without(near, query.itself, SHOWN)
    with left:
        show_query(run, found, query)
        st.metric("Found in", f"{took:.1f} ms", help="Encoding the query and comparing it with every code, exactly.")
        st.caption(f"among the {len(collection.part.x):,} of the {collection.name}")
    with right:
        results(run, found, collection, near, query, "By code", f"{net.config.latent_dim} numbers an example")
        download(run, collection, near)
    otherwise(run, found, collection, query)


def choose(place: Any, label: str, key: str, ways: list[str], help: str) -> str:
    """One of a few, in the address; what another run offered is forgotten."""
    if st.session_state.get(key, ways[0]) not in ways:
        del st.session_state[key]
    return str(place.segmented_control(label, ways, default=ways[0], required=True, key=key, bind="query-params",
                                       help=help))  # fmt: skip


def asked(found: Dataset, given: Inputs, way: str, place: str, row: Any) -> Query | None:
    """The query that the controls name; None while nothing is drawn."""
    if way == "drawn":
        drawn = drawing.ask()
        x = None if drawn is None else data.as_float(resized(drawn, found.input_shape)[0])
        return None if x is None else Query(x, "drawn", None, None)
    at = examples.choose_index(row, "Number", "number", len(given.x), 0, "Counted from 0.") or 0
    itself = at if place == "the inputs" else given.test_row(at) if PLACES.get(place) == "test" else None
    kind = given.classes[int(given.y[at])] if given.y is not None and given.classes else None
    return Query(data.as_float(given.x[at : at + 1]), given.label(at), kind, itself)


def collected(run: Run, found: Dataset, given: Inputs, place: str) -> Collection:
    if place in PLACES:
        part = inputs.of(found, PLACES[place])
        index = load_index(str(run.path), run.version(), found.name, PLACES[place], run)
    else:
        part, index = given, load_own(str(run.path), run.version(), cache.digest(given.x), run, given.x)
    key = f"{run.path}, {run.version()}, " + (place if place in PLACES else cache.digest(given.x))
    return Collection(part, index, *load_components(key, len(part.x), cache.model(run), part.x))


def plain(net: Autoencoder, x: Tensor) -> Tensor:
    """What raw values and PCA compare: pictures as they are, columns of a table scaled to be alike."""
    return net.to_scaled(x).detach() if x.dim() == 2 else x


def values(x: Tensor) -> str:
    """What `plain` gives, in words."""
    return "raw values" if x.dim() == 4 else "scaled values"


@st.cache_resource(max_entries=8, show_spinner="Encoding the collection ...")
def load_index(path: str, version: float, name: str, split: str, _run: Run) -> Index:
    return search.index(torch.from_numpy(cache.codes(_run, split)[0]))


@st.cache_resource(max_entries=8, show_spinner="Encoding your examples ...")
def load_own(path: str, version: float, examples: str, _run: Run, _x: Tensor) -> Index:
    return search.index(metrics.encode(cache.model(_run), _x))


@st.cache_resource(max_entries=8, show_spinner="Finding the principal components ...")
def load_components(key: str, count: int, _net: Autoencoder, _x: Tensor) -> tuple[Principal, Index]:
    x = plain(_net, _x)
    pca = search.principal(x[:FITTED], _net.config.latent_dim)
    return pca, search.index(pca.encode(x))


def without(near: Found, row: int | None, count: int) -> Found:
    """The first so many of what was found, without the query itself."""
    keep = (near.rows[0] != (-1 if row is None else row)).nonzero().flatten()[:count]
    return Found(near.rows[:, keep], near.distances[:, keep])


def show_query(run: Run, found: Dataset, query: Query) -> None:
    net = cache.model(run)
    if not examples.is_cloud(found):
        st.image(grid(examples.large(net, query.x), 1), width=226, alt=f"The query: {query.label}")
    st.caption(f"Query: {query.label}" + (f", class {query.kind}" if query.kind is not None else ""))


def results(run: Run, found: Dataset, collection: Collection, near: Found, query: Query, name: str,
            about: str) -> None:  # fmt: skip
    """The nearest, nearest first, with their classes and distances; those of another class are marked."""
    rows = near.rows[0].tolist()
    x, kinds = data.as_float(collection.part.x[rows]), [collection.kind(row) for row in rows]
    text, known = f"**{name}**, {about}", query.kind in collection.part.classes
    if known:
        text += f": {sum(kind == query.kind for kind in kinds)} of {len(rows)} are of its class"
    st.markdown(text)
    if examples.is_cloud(found):
        show_points(found, query, x, near, name)
        return
    titles = collection.part.names or [f"No. {i}" for i in range(len(collection.part.x))]
    heads = [
        titles[row] if kind is None or collection.part.names else kind for row, kind in zip(rows, kinds, strict=True)
    ]
    far = [f"{distance:.3g}" for distance in near.distances[0].tolist()]
    st.html(examples.cards(cache.model(run), x, heads, far, [known and kind != query.kind for kind in kinds]))
    if x.dim() == 2 and name == "By code":
        shown = {"query": query.x[0]} | {f"No. {row}": value for row, value in zip(rows[:ROWS], x, strict=False)}
        examples.show_table(examples.table(found, shown))
    if name == "By code":
        parts = ["Under each its " + ("name" if collection.part.names else "class" if kinds[0] else "number")
                 + " and its distance."] + ["Underlined in red: of another class."] * known  # fmt: skip
        st.caption(" ".join(parts + [examples.BARS] * (x.dim() == 2)))


def show_points(found: Dataset, query: Query, x: Tensor, near: Found, name: str) -> None:
    """The nearest among the training data, in their own space."""
    ground = {"training data": found.train.x[:2000].numpy(), "nearest": x.numpy(), "query": query.x.numpy()}
    st.plotly_chart(
        figures.cloud(ground), key=f"points-{name}", alt=f"The query and the {len(x)} nearest, {name.lower()}"
    )


def download(run: Run, collection: Collection, near: Found) -> None:
    st.download_button("Results as CSV", lambda: table(collection, near).to_csv(index=False), f"{run.id}-search.csv",
                       "text/csv", icon=":material/table:", on_click="ignore",
                       help="Row, distance, name and class of each.")  # fmt: skip


def table(collection: Collection, near: Found) -> pd.DataFrame:
    """A line for each that was found: the visitor's own columns, or its row, name and class, then the distance."""
    rows = near.rows[0].tolist()
    found = pd.DataFrame({"row": rows, "distance": near.distances[0].tolist()})
    if collection.part.names:
        found["name"] = [collection.part.names[i] for i in rows]
    if collection.kind(0) is not None:
        found["class"] = [collection.kind(i) for i in rows]
    return found


def otherwise(run: Run, found: Dataset, collection: Collection, query: Query) -> None:
    """By raw values, and by as many principal components as the code has units."""
    st.subheader("The same query otherwise", anchor=False)
    net, pca = cache.model(run), collection.pca
    wanted = plain(net, query.x)
    raw = search.scan(plain(net, collection.part.x), wanted, BESIDE + 1)
    linear = collection.components.nearest(pca.encode(wanted), BESIDE + 1)
    names = (f"By {values(query.x)}", "By PCA")
    places = st.columns(2) if examples.is_cloud(found) else (st, st)
    for place, name, near, size in zip(places, names, (raw, linear), pca.basis.shape, strict=True):
        with place.container():
            near = without(near, query.itself, BESIDE)
            results(run, found, collection, near, query, name, f"{size:,} numbers an example")
