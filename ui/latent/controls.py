"""The controls of the Latent page: what the map shows, and of which runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.latent import Projection, order_dimensions
from aecore.data.catalog import have_same_examples
from aecore.data.splits import Dataset
from aecore.runs.run import Run
from ui.kit.cache import MAP_POINTS
from ui.kit.examples import choose_unit
from ui.kit.runs import list_usable_runs

PROJECTIONS: dict[str, Projection] = {
    "PCA": "pca",
    "Dimensions": "dimensions",
    "t-SNE": "tsne",
    "UMAP": "umap",
}
PROJECTION_HELP = {
    "PCA": "the plane of the codes' largest variance: at once, true to distances in it, and every "
    "place on it is a code that decodes.",
    "Dimensions": "raw code units as axes, a plane as well.",
    "t-SNE": "keeps near points near (van der Maaten & Hinton, 2008); sizes and gaps of clusters "
    "mean little. Between points the codes of neighbours are blended.",
    "UMAP": "as t-SNE, faster, and with more of the whole (McInnes et al., 2018).",
}
POINT_COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000, 100_000, 300_000, MAP_POINTS)
COLOUR_HELP = {
    "class": "the class of the input.",
    "error": "the squared error of its reconstruction, summed over features.",
    "neighbours": "which share of its 10 nearest codes is also among its 10 nearest on this map: "
    "where that is low, the map lies.",
}
COMPARED_NEIGHBOURS = 10_000  # points whose neighbours are compared; more take too long


class MapView(NamedTuple):
    """The settings of the controls."""

    method: Projection
    label: str  # of the method
    dims: int
    colour: str  # a key of COLOUR_HELP
    split: Literal["test", "train"]
    points: int


def show_map_controls(dataset: Dataset, container: DeltaGenerator) -> MapView:
    """Show a row of controls, and the number of points in the container; all in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    label = row.segmented_control(
        "Projection",
        list(PROJECTIONS),
        default="PCA",
        required=True,
        key="map",
        bind="query-params",
        help=format_help_list(PROJECTION_HELP),
    )
    axes = row.segmented_control(
        "Axes",
        ["2-D", "3-D"],
        default="2-D",
        required=True,
        key="axes",
        bind="query-params",
        help="3-D is to turn and zoom; box and lasso need 2-D.",
    )
    colour = choose_map_colour(row, dataset)
    split: Literal["test", "train"] = row.segmented_control(
        "Inputs",
        ["test", "train"],
        default="test",
        required=True,
        key="split",
        bind="query-params",
        help="Those the model has not seen, or those it learned from.",
    )
    points = container.select_slider(
        "Points",
        POINT_COUNTS,
        5000,
        key="points",
        bind="query-params",
        format_func=lambda count: f"{count:,}",
        help="The first so many inputs of the set.",
    )
    count = min(points, len(getattr(dataset, split).x))
    if colour == "neighbours":
        count = min(count, COMPARED_NEIGHBOURS)
    return MapView(PROJECTIONS[label], label, int(axes[0]), colour, split, count)


def choose_map_colour(container: DeltaGenerator, dataset: Dataset) -> str:
    """Show a control over what colours the points; classes only where the data have some."""
    colours = list(COLOUR_HELP) if dataset.test.y is not None else ["error", "neighbours"]
    if st.session_state.get("colour", colours[0]) not in colours:  # the last run had classes
        del st.session_state["colour"]
    return container.segmented_control(
        "Colour",
        colours,
        default=colours[0],
        required=True,
        key="colour",
        bind="query-params",
        help=format_help_list(COLOUR_HELP),
    )


def format_help_list(texts: Mapping[str, str]) -> str:
    """Returns names with their texts as a list in Markdown."""
    return "\n".join(f"- **{name}**: {text}" for name, text in texts.items())


def choose_dimensions(z: np.ndarray, dims: int) -> tuple[list[int], list[str]]:
    """Show a select box for the code unit of each axis, by default the most varying ones.

    Returns the units and the titles of the axes.
    """
    order, deviations = (part.tolist() for part in order_dimensions(torch.from_numpy(z)))
    row = st.container(horizontal=True, gap="small")
    help = "Code units, the most varying over the shown inputs first."
    units = [
        choose_unit(row, f"{axis} axis", f"along_{axis}", order, i, help)
        for i, axis in enumerate("xyz"[:dims])
    ]
    return units, [f"z{unit}, deviation {deviations[unit]:.3g}" for unit in units]


def choose_second_run(run: Run, container: DeltaGenerator) -> Run | None:
    """Show a select box, kept in the address, over the other runs of the same data.

    Returns the run whose map is to stand beside; None where none is chosen.
    """
    runs = {other.id: other for other in list_usable_runs()}
    ids = [
        other.id
        for other in runs.values()
        if other.id != run.id and have_same_examples(other.config().data, run.config().data)
    ]
    if st.session_state.get("beside") not in (None, *ids):
        del st.session_state["beside"]
    run_id = container.selectbox(
        "Beside it",
        ids,
        None,
        key="beside",
        bind="query-params",
        placeholder="none",
        help="A second run of the same data: the same inputs in two models. A selection on one "
        "map is one on both.",
    )
    return runs[run_id] if run_id in ids else None
