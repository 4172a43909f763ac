"""The controls of the Latent page: what the map shows, and of which runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.latent import Projection, order_dimensions
from aecore.data.catalog import have_same_examples
from aecore.data.splits import Dataset
from aecore.model.config import ModelConfig
from aecore.runs.run import Run
from ui.kit.cache import MAP_POINTS
from ui.kit.examples import choose_unit
from ui.kit.runs import list_usable_runs

PROJECTIONS: dict[str, Projection] = {
    "Classes": "classes",
    "PCA": "pca",
    "Dimensions": "dimensions",
    "t-SNE": "tsne",
    "UMAP": "umap",
}
PROJECTION_HELP = {
    "Classes": "the plane in which the classes differ most (Fisher's discriminants, 1936). It is "
    "chosen by the labels, which the model has not seen.",
    "PCA": "the plane of the largest variance of the codes.",
    "Dimensions": "two code units as axes. On these three, every place is a code that decodes.",
    "t-SNE": "keeps near points near (van der Maaten & Hinton, 2008); sizes and gaps of clusters "
    "mean little. Between points the codes of neighbours are blended.",
    "UMAP": "like t-SNE, faster, with more of the overall shape (McInnes et al., 2018).",
}
POINT_COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000, 100_000, 300_000, MAP_POINTS)
COLOUR_HELP = {
    "class": "the class of the input.",
    "error": "the squared error of its reconstruction, summed over features.",
    "neighbours": "the share of its 10 nearest codes that are also among its 10 nearest on this "
    "map: where that is low, the projection is distorted.",
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


def show_map_controls(
    run: Run, dataset: Dataset, container: DeltaGenerator, settings: DeltaGenerator
) -> MapView:
    """Show the projection in the container, the other controls in `settings`; all in the address.

    The map begins with the projection that suits the run.
    """
    names = list_projections(dataset)
    default = pick_projection(run.config().model, names)
    begin_at_default("map", default, names)
    label = container.segmented_control(
        "Projection",
        names,
        default=default,
        required=True,
        key="map",
        bind="query-params",
        help=format_help_list({name: PROJECTION_HELP[name] for name in names}),
    )
    colour = choose_map_colour(settings, dataset)
    axes = settings.segmented_control(
        "Axes",
        ["2-D", "3-D"],
        default="2-D",
        required=True,
        key="axes",
        bind="query-params",
        help="3-D can be turned and zoomed; boxes and lassos need 2-D.",
    )
    split: Literal["test", "train"] = settings.segmented_control(
        "Split",
        ["test", "train"],
        default="test",
        required=True,
        key="split",
        bind="query-params",
        help="Inputs that the model has not seen, or those that it was trained on.",
    )
    points = settings.select_slider(
        "Points",
        POINT_COUNTS,
        5000,
        key="points",
        bind="query-params",
        format_func=lambda count: f"{count:,}",
        help="The first inputs of the split, up to this many.",
    )
    count = min(points, len(getattr(dataset, split).x))
    if colour == "neighbours":
        count = min(count, COMPARED_NEIGHBOURS)
    return MapView(PROJECTIONS[label], label, int(axes[0]), colour, split, count)


def list_projections(dataset: Dataset) -> list[str]:
    """Returns the projections that the data allow: that of classes needs labels."""
    has_classes = dataset.test.y is not None and dataset.train.y is not None
    return [name for name in PROJECTIONS if name != "Classes" or has_classes]


def pick_projection(model: ModelConfig, names: Sequence[str]) -> str:
    """Returns the projection that a map begins with.

    A code of one or two units is a map itself. Codes that are drawn to N(0, I) vary as much in all
    directions, so that PCA finds none that matters: with classes, theirs are shown.
    """
    if model.latent_dim <= 2:
        return "Dimensions"
    return "Classes" if model.has_prior and "Classes" in names else "PCA"


def begin_at_default(key: str, default: str, options: Sequence[str]) -> None:
    """Let a control begin anew where it stands at the default of the last run, or at no option."""
    former = st.session_state.get(f"default-{key}", default)
    is_former = former != default and st.session_state.get(key) == former
    if is_former or st.session_state.get(key, default) not in options:
        st.session_state[key] = default
    st.session_state[f"default-{key}"] = default


def choose_map_colour(container: DeltaGenerator, dataset: Dataset) -> str:
    """Show a control over what colours the points; classes only where the data have some."""
    colours = list(COLOUR_HELP) if dataset.test.y is not None else ["error", "neighbours"]
    if st.session_state.get("colour", colours[0]) not in colours:  # the last run had classes
        st.session_state["colour"] = colours[0]
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


def choose_dimensions(
    z: np.ndarray, dims: int, container: DeltaGenerator
) -> tuple[list[int], list[str]]:
    """Show a select box for the code unit of each axis, by default the most varying ones.

    Returns the units and the titles of the axes.
    """
    order, deviations = (part.tolist() for part in order_dimensions(torch.from_numpy(z)))
    row = container.container(horizontal=True, gap="small")
    help = "Code units, the most varying over the shown inputs first."
    units = [
        choose_unit(row, f"{axis} axis", f"along_{axis}", order, i, help)
        for i, axis in enumerate("xyz"[:dims])
    ]
    return units, [f"z{unit}, std. dev. {deviations[unit]:.3g}" for unit in units]


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
        st.session_state["beside"] = None
    run_id = container.selectbox(
        "Second run",
        ids,
        None,
        key="beside",
        bind="query-params",
        placeholder="none",
        help="The map of another run of the same data, beside this one. What is selected on one "
        "map is selected on both.",
    )
    return runs[run_id] if run_id in ids else None
