"""What the Search page is made of: a query, what is nearest to it, and the same query by other means."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.metrics import encode_in_chunks
from aecore.analysis.pictures import draw_grid
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from aecore.tasks.search import (
    Neighbours,
    PrincipalCode,
    SearchIndex,
    build_index,
    fit_principal_code,
    scan_nearest,
)
from ui.apply_search.drawing import ask_for_drawing
from ui.kit.cache import digest_examples, get_codes, get_model
from ui.kit.examples import (
    ROW_TILES_NOTE,
    choose_index,
    enlarge_examples,
    format_cards,
    is_point_cloud,
    make_example_table,
    show_example_table,
)
from ui.kit.figures import draw_cloud
from ui.kit.inputs import Inputs, make_split_inputs, resize_images

SHOWN_RESULTS, BASELINE_RESULTS, SEARCHED_ROWS = 15, 8, 3
COMPONENT_ROWS = 20_000  # examples behind PCA
COLLECTION_NAMES = {"training set": "train", "test set": "test"}


class SearchQuery(NamedTuple):
    """What is looked for."""

    x: Tensor  # (1, *input_shape)
    label: str
    kind: str | None  # its class
    itself: int | None  # its own row, where it is in the collection


class SearchCollection(NamedTuple):
    """What is searched."""

    part: Inputs
    index: SearchIndex  # by code
    pca: PrincipalCode
    components: SearchIndex

    @property
    def name(self) -> str:
        return self.part.name

    def kind(self, row: int) -> str | None:
        """The class of an example."""
        known = self.part.y is not None and self.part.classes
        return self.part.classes[int(self.part.y[row])] if known else None


def show_search(run: Run, found: Dataset, given: Inputs) -> None:
    """Choose a query and a collection; see what is nearest, by code and otherwise."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    way = choose_way(
        row,
        "Query",
        "query",
        ["by number"] + ["drawn"] * (len(found.input_shape) == 3),
        "One of the inputs above, by its number, or a drawing.",
    )
    place = choose_way(
        row,
        "Collection",
        "collection",
        [*COLLECTION_NAMES, "the inputs"],
        "Where to search; *the inputs*: those above.",
    )
    collection = read_collection(run, found, given, place)
    left, right = st.columns([1, 2], gap="large")
    with left:
        query = read_query(found, given, way, place, row)
    if query is None:
        right.info(
            "Draw something in the black field, and what is like it appears here.",
            icon=":material/draw:",
        )
        return
    net = get_model(run)
    started = time.perf_counter()
    near = collection.index.find_nearest(encode_in_chunks(net, query.x), SHOWN_RESULTS + 1)
    took = 1000 * (time.perf_counter() - started)
    near = drop_query(near, query.itself, SHOWN_RESULTS)
    with left:
        show_query(run, found, query)
        st.metric(
            "Found in",
            f"{took:.1f} ms",
            help="Encoding the query and comparing it with every code, exactly.",
        )
        st.caption(f"among the {len(collection.part.x):,} of the {collection.name}")
    with right:
        show_results(
            run,
            found,
            collection,
            near,
            query,
            "By code",
            f"{net.config.latent_dim} numbers an example",
        )
        offer_results_csv(run, collection, near)
    show_baseline_results(run, found, collection, query)


def choose_way(place: Any, label: str, key: str, ways: list[str], help: str) -> str:
    """One of a few, in the address; what another run offered is forgotten."""
    if st.session_state.get(key, ways[0]) not in ways:
        del st.session_state[key]
    return str(
        place.segmented_control(
            label, ways, default=ways[0], required=True, key=key, bind="query-params", help=help
        )
    )


def read_query(found: Dataset, given: Inputs, way: str, place: str, row: Any) -> SearchQuery | None:
    """The query that the controls name; None while nothing is drawn."""
    if way == "drawn":
        drawn = ask_for_drawing()
        x = None if drawn is None else as_float(resize_images(drawn, found.input_shape)[0])
        return None if x is None else SearchQuery(x, "drawn", None, None)
    at = choose_index(row, "Number", "number", len(given.x), 0, "Counted from 0.") or 0
    itself = (
        at
        if place == "the inputs"
        else given.test_row(at)
        if COLLECTION_NAMES.get(place) == "test"
        else None
    )
    kind = given.classes[int(given.y[at])] if given.y is not None and given.classes else None
    return SearchQuery(as_float(given.x[at : at + 1]), given.label(at), kind, itself)


def read_collection(run: Run, found: Dataset, given: Inputs, place: str) -> SearchCollection:
    if place in COLLECTION_NAMES:
        part = make_split_inputs(found, COLLECTION_NAMES[place])
        index = load_code_index(
            str(run.path), run.version(), found.name, COLLECTION_NAMES[place], run
        )
    else:
        part, index = (
            given,
            load_own_index(str(run.path), run.version(), digest_examples(given.x), run, given.x),
        )
    key = f"{run.path}, {run.version()}, " + (
        place if place in COLLECTION_NAMES else digest_examples(given.x)
    )
    return SearchCollection(
        part, index, *load_component_index(key, len(part.x), get_model(run), part.x)
    )


def to_comparable_values(net: Autoencoder, x: Tensor) -> Tensor:
    """What raw values and PCA compare: pictures as they are, columns of a table scaled to be alike."""
    return net.to_scaled(x).detach() if x.dim() == 2 else x


def describe_comparable_values(x: Tensor) -> str:
    """What `plain` gives, in words."""
    return "raw values" if x.dim() == 4 else "scaled values"


@st.cache_resource(max_entries=8, show_spinner="Encoding the collection ...")
def load_code_index(path: str, version: float, name: str, split: str, _run: Run) -> SearchIndex:
    return build_index(torch.from_numpy(get_codes(_run, split)[0]))


@st.cache_resource(max_entries=8, show_spinner="Encoding your examples ...")
def load_own_index(path: str, version: float, examples: str, _run: Run, _x: Tensor) -> SearchIndex:
    return build_index(encode_in_chunks(get_model(_run), _x))


@st.cache_resource(max_entries=8, show_spinner="Finding the principal components ...")
def load_component_index(
    key: str, count: int, _net: Autoencoder, _x: Tensor
) -> tuple[PrincipalCode, SearchIndex]:
    x = to_comparable_values(_net, _x)
    pca = fit_principal_code(x[:COMPONENT_ROWS], _net.config.latent_dim)
    return pca, build_index(pca.encode(x))


def drop_query(near: Neighbours, row: int | None, count: int) -> Neighbours:
    """The first so many of what was found, without the query itself."""
    keep = (near.rows[0] != (-1 if row is None else row)).nonzero().flatten()[:count]
    return Neighbours(near.rows[:, keep], near.distances[:, keep])


def show_query(run: Run, found: Dataset, query: SearchQuery) -> None:
    net = get_model(run)
    if not is_point_cloud(found):
        st.image(
            draw_grid(enlarge_examples(net, query.x), 1), width=226, alt=f"The query: {query.label}"
        )
    st.caption(
        f"Query: {query.label}" + (f", class {query.kind}" if query.kind is not None else "")
    )


def show_results(
    run: Run,
    found: Dataset,
    collection: SearchCollection,
    near: Neighbours,
    query: SearchQuery,
    name: str,
    about: str,
) -> None:
    """The nearest, nearest first, with their classes and distances; those of another class are marked."""
    rows = near.rows[0].tolist()
    x, kinds = as_float(collection.part.x[rows]), [collection.kind(row) for row in rows]
    text, known = f"**{name}**, {about}", query.kind in collection.part.classes
    if known:
        text += f": {sum(kind == query.kind for kind in kinds)} of {len(rows)} are of its class"
    st.markdown(text)
    if is_point_cloud(found):
        show_nearest_points(found, query, x, near, name)
        return
    titles = collection.part.names or [f"No. {i}" for i in range(len(collection.part.x))]
    heads = [
        titles[row] if kind is None or collection.part.names else kind
        for row, kind in zip(rows, kinds, strict=True)
    ]
    far = [f"{distance:.3g}" for distance in near.distances[0].tolist()]
    st.html(
        format_cards(
            get_model(run), x, heads, far, [known and kind != query.kind for kind in kinds]
        )
    )
    if x.dim() == 2 and name == "By code":
        shown = {"query": query.x[0]} | {
            f"No. {row}": value for row, value in zip(rows[:SEARCHED_ROWS], x, strict=False)
        }
        show_example_table(make_example_table(found, shown))
    if name == "By code":
        parts = [
            "Under each its "
            + ("name" if collection.part.names else "class" if kinds[0] else "number")
            + " and its distance."
        ] + ["Underlined in red: of another class."] * known
        st.caption(" ".join(parts + [ROW_TILES_NOTE] * (x.dim() == 2)))


def show_nearest_points(
    found: Dataset, query: SearchQuery, x: Tensor, near: Neighbours, name: str
) -> None:
    """The nearest among the training data, in their own space."""
    ground = {
        "training data": found.train.x[:2000].numpy(),
        "nearest": x.numpy(),
        "query": query.x.numpy(),
    }
    st.plotly_chart(
        draw_cloud(ground),
        key=f"points-{name}",
        alt=f"The query and the {len(x)} nearest, {name.lower()}",
    )


def offer_results_csv(run: Run, collection: SearchCollection, near: Neighbours) -> None:
    st.download_button(
        "Results as CSV",
        lambda: tabulate_results(collection, near).to_csv(index=False),
        f"{run.id}-search.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
        help="Row, distance, name and class of each.",
    )


def tabulate_results(collection: SearchCollection, near: Neighbours) -> pd.DataFrame:
    """A line for each that was found: the visitor's own columns, or its row, name and class, then the distance."""
    rows = near.rows[0].tolist()
    found = pd.DataFrame({"row": rows, "distance": near.distances[0].tolist()})
    if collection.part.names:
        found["name"] = [collection.part.names[i] for i in rows]
    if collection.kind(0) is not None:
        found["class"] = [collection.kind(i) for i in rows]
    return found


def show_baseline_results(
    run: Run, found: Dataset, collection: SearchCollection, query: SearchQuery
) -> None:
    """By raw values, and by as many principal components as the code has units."""
    st.subheader("The same query otherwise", anchor=False)
    net, pca = get_model(run), collection.pca
    wanted = to_comparable_values(net, query.x)
    raw = scan_nearest(to_comparable_values(net, collection.part.x), wanted, BASELINE_RESULTS + 1)
    linear = collection.components.find_nearest(pca.encode(wanted), BASELINE_RESULTS + 1)
    names = (f"By {describe_comparable_values(query.x)}", "By PCA")
    places = st.columns(2) if is_point_cloud(found) else (st, st)
    for place, name, near, size in zip(places, names, (raw, linear), pca.basis.shape, strict=True):
        with place.container():
            near = drop_query(near, query.itself, BASELINE_RESULTS)
            show_results(run, found, collection, near, query, name, f"{size:,} numbers an example")
