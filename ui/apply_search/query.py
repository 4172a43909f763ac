"""The query: one of the inputs, or a drawing."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.pictures import draw_grid
from aecore.data.images.fitting import resize_images
from aecore.data.splits import Dataset, as_float
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.apply_search.collection import COLLECTION_SPLITS, THE_INPUTS
from ui.apply_search.drawing import ask_for_drawing
from ui.kit.cache import get_model
from ui.kit.examples import choose_index, enlarge_examples, is_point_cloud
from ui.kit.inputs import Inputs

BY_NUMBER, DRAWN = "by number", "drawn"
QUERY_WIDTH = 226  # pixels


class SearchQuery(NamedTuple):
    """The example whose nearest ones are searched for."""

    x: Tensor  # (1, *input_shape)
    label: str
    class_name: str | None
    own_row: int | None  # in the collection, where it is one of it


def choose_search_option(
    row: DeltaGenerator, label: str, key: str, options: list[str], help: str
) -> str:
    """Show a control over a few options, kept in the address; return the chosen one.

    What another run offered is forgotten.
    """
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]  # deleted, the browser would still show the old one
    return row.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", help=help
    )


def choose_query_kind(row: DeltaGenerator, dataset: Dataset) -> str:
    """Show a control over how the query is given: pictures can be drawn."""
    options = [BY_NUMBER, DRAWN] if len(dataset.input_shape) == 3 else [BY_NUMBER]
    help = "One of the inputs above, by its number, or a drawing."
    return choose_search_option(row, "Query", "query", options, help)


def ask_for_query(
    dataset: Dataset, inputs: Inputs, kind: str, collection_option: str, row: DeltaGenerator
) -> SearchQuery | None:
    """Show a drawing pad, or a number input in the row; return the query, None without ink."""
    if kind == DRAWN:
        drawing = ask_for_drawing()
        if drawing is None:
            return None
        x, _ = resize_images(drawing, dataset.input_shape)
        return SearchQuery(as_float(x), "drawn", None, None)
    number = choose_index(row, "Number", "number", len(inputs.x), 0, "Counted from 0.") or 0
    own_row = None
    if collection_option == THE_INPUTS:
        own_row = number
    elif COLLECTION_SPLITS.get(collection_option) == "test":
        own_row = inputs.test_row(number)
    class_name = None
    if inputs.y is not None and inputs.classes:
        class_name = inputs.classes[int(inputs.y[number])]
    x = as_float(inputs.x[number : number + 1])
    return SearchQuery(x, inputs.label(number), class_name, own_row)


def show_query(run: Run, dataset: Dataset, query: SearchQuery) -> None:
    """Show the query and its class."""
    if not is_point_cloud(dataset):
        st.image(
            draw_grid(enlarge_examples(get_model(run), query.x), 1),
            width=QUERY_WIDTH,
            alt=f"The query: {query.label}",
        )
    class_text = f", class {query.class_name}" if query.class_name is not None else ""
    st.caption(f"Query: {escape_name(query.label)}{escape_name(class_text)}")
