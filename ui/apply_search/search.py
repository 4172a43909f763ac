"""Search: a query, the examples with the nearest codes, and the same by raw values and PCA."""

from __future__ import annotations

import time

import streamlit as st

from aecore.analysis.chunks import encode_in_chunks
from aecore.data.splits import Dataset
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.search import Neighbours, scan_nearest
from ui.apply_search.collection import (
    COLLECTION_SPLITS,
    THE_INPUTS,
    SearchCollection,
    describe_comparable_values,
    load_collection,
    to_comparable_values,
)
from ui.apply_search.query import (
    SearchQuery,
    ask_for_query,
    choose_query_kind,
    choose_search_option,
    show_query,
)
from ui.apply_search.results import BY_CODE, drop_query, show_results, tabulate_results
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.examples import is_point_cloud
from ui.kit.inputs import Inputs

SHOWN_RESULTS = 15  # by code, and by each baseline


def show_search(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show controls for a query and a collection, and what is nearest, by code and otherwise."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kind = choose_query_kind(row, dataset)
    option = choose_search_option(
        row,
        "Collection",
        "collection",
        [*COLLECTION_SPLITS, THE_INPUTS],
        "Where to search; *the inputs*: those above.",
    )
    collection = load_collection(run, dataset, inputs, option)
    left, right = st.columns([1, 2], gap="large")
    with left:
        query = ask_for_query(dataset, inputs, kind, option, row)
    if query is None:
        right.info(
            "Draw something in the black field, and what is like it appears here.",
            icon=":material/draw:",
        )
        return
    near, milliseconds = search_by_code(run, collection, query)
    with left:
        show_query(run, dataset, query)
        st.metric(
            "Found in",
            f"{milliseconds:.1f} ms",
            help="Encoding the query and comparing it with every code, exactly.",
        )
        name = escape_name(collection.examples.name)
        st.caption(f"among the {len(collection.examples.x):,} of the {name}")
    with right:
        size = str(get_model(run).config.latent_dim)
        show_results(run, dataset, collection, near, query, BY_CODE, size)
        offer_csv(
            "Results as CSV",
            lambda: tabulate_results(collection, near),
            f"{run.id}-search.csv",
            help="Row, distance, name and class of each.",
        )
    show_baseline_results(run, dataset, collection, query)


def search_by_code(
    run: Run, collection: SearchCollection, query: SearchQuery
) -> tuple[Neighbours, float]:
    """Returns the examples with the nearest codes, and how long the search took in ms."""
    model = get_model(run)
    started = time.perf_counter()
    z = encode_in_chunks(model, query.x)
    near = collection.code_index.find_nearest(z, SHOWN_RESULTS + 1)
    milliseconds = 1000 * (time.perf_counter() - started)
    return drop_query(near, query.own_row, SHOWN_RESULTS), milliseconds


def show_baseline_results(
    run: Run, dataset: Dataset, collection: SearchCollection, query: SearchQuery
) -> None:
    """Show the nearest by raw values, and by as many principal components as the code has units."""
    st.subheader("Baselines", anchor=False)
    model, pca = get_model(run), collection.pca
    values = to_comparable_values(model, query.x)
    collection_values = to_comparable_values(model, collection.examples.x)
    results = {
        f"By {describe_comparable_values(query.x)}": scan_nearest(
            collection_values, values, SHOWN_RESULTS + 1
        ),
        "By PCA": collection.component_index.find_nearest(pca.encode(values), SHOWN_RESULTS + 1),
    }
    if is_point_cloud(dataset):
        containers = [column.container() for column in st.columns(2)]
    else:
        containers = [st.container(), st.container()]
    for container, (method, near), size in zip(
        containers, results.items(), pca.basis.shape, strict=True
    ):
        with container:
            near = drop_query(near, query.own_row, SHOWN_RESULTS)
            show_results(run, dataset, collection, near, query, method, f"{size:,}")
