"""The map of a run's codes: its controls, its figure, and the slow projections that others compute."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import streamlit as st
import torch

from aecore.analysis.latent import Plane, Projection, make_unit_plane, order_dimensions
from aecore.analysis.projection_job import PROJECTION_LIMITS, ProjectionJob
from aecore.data.splits import Dataset
from aecore.errors import AecoreError
from aecore.explorer.packs import MapInputs, encode_map_pack, encode_model_pack
from aecore.runs.run import Run
from ui.kit.cache import (
    MAP_POINTS,
    get_codes,
    get_model,
    get_preserved_shares,
    get_principal_plane,
    get_principal_positions,
    get_saved_epochs,
)
from ui.kit.examples import choose_unit
from ui.kit.explorer import promised_packs, read_explorer_answer, show_explorer
from ui.kit.links import keep_selections
from ui.kit.runs import list_usable_runs
from ui.latent.charts import draw_latent_map

PROJECTION_LABELS: dict[str, Projection] = {
    "PCA": "pca",
    "Dimensions": "dimensions",
    "t-SNE": "tsne",
    "UMAP": "umap",
}
PROJECTION_HELP = {
    "PCA": "the plane of the codes' largest variance: at once, true to distances in it, and every place on it is a "
    "code that decodes.",
    "Dimensions": "raw code units as axes, a plane as well.",
    "t-SNE": "keeps near points near (van der Maaten & Hinton, 2008); sizes and gaps of clusters mean little. Between "
    "points the codes of neighbours are blended.",
    "UMAP": "as t-SNE, faster, and with more of the whole (McInnes et al., 2018).",
}
POINT_COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000, 100_000, 300_000, MAP_POINTS)
COLOUR_LABELS = {
    "class": "the class of the input.",
    "error": "the squared error of its reconstruction, summed over features.",
    "neighbours": "which share of its 10 nearest codes is also among its 10 nearest on this map: where that is low, "
    "the map lies.",
}
MEASURED_COLOURS = 10_000  # points whose neighbours are compared; more take too long
COLOUR_NAMES = {"test": "test", "train": "training"}
MAP_POLL_SECONDS = 1.0
TYPED_KEY = "input"  # the key of the input that is chosen by number


class MapView(NamedTuple):
    """What the controls say."""

    method: Projection
    label: str
    dims: int
    colour: str
    split: Literal["test", "train"]
    count: int


class LatentMap(NamedTuple):
    """The shown points, row i being input i of the split."""

    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)
    positions: np.ndarray  # (N, dims)
    plane: Plane | None  # which the positions lie in, where they are a plane's
    axes: list[str]
    groups: dict[str, np.ndarray]  # the rows of each trace of the figure


def show_map_controls(found: Dataset, corner: Any) -> MapView:
    """One row of controls and a slider in the corner, each in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    about = "\n".join(f"- **{name}**: {text}" for name, text in PROJECTION_HELP.items())
    label = row.segmented_control(
        "Projection",
        list(PROJECTION_LABELS),
        default="PCA",
        required=True,
        key="map",
        bind="query-params",
        help=about,
    )
    dims = row.segmented_control(
        "Axes",
        ["2-D", "3-D"],
        default="2-D",
        required=True,
        key="axes",
        bind="query-params",
        help="3-D is to turn and zoom; box and lasso need 2-D.",
    )
    colours = list(COLOUR_LABELS) if found.test.y is not None else ["error", "neighbours"]
    if st.session_state.get("colour", colours[0]) not in colours:  # the last run had classes
        del st.session_state["colour"]
    what = "\n".join(f"- **{name}**: {text}" for name, text in COLOUR_LABELS.items())
    colour = row.segmented_control(
        "Colour",
        colours,
        default=colours[0],
        required=True,
        key="colour",
        bind="query-params",
        help=what,
    )
    split = row.segmented_control(
        "Inputs",
        ["test", "train"],
        default="test",
        required=True,
        key="split",
        bind="query-params",
        help="Those the model has not seen, or those it learned from.",
    )
    points = corner.select_slider(
        "Points",
        POINT_COUNTS,
        5000,
        key="points",
        bind="query-params",
        format_func=lambda n: f"{n:,}",
        help="The first so many inputs of the set.",
    )
    count = min(points, len(getattr(found, split).x))
    if colour == "neighbours":
        count = min(count, MEASURED_COLOURS)
    return MapView(PROJECTION_LABELS[label], label, int(dims[0]), colour, split, count)


def load_map(run: Run, found: Dataset, view: MapView) -> tuple[LatentMap, MapView]:
    """The map to show now, and the view that it is: PCA and fewer points while a slow one is missing."""
    if view.method in PROJECTION_LIMITS:
        view = view._replace(count=min(view.count, PROJECTION_LIMITS[view.method]))
        job = ProjectionJob(
            run, view.method, view.dims, view.split, view.count, found.name, version=run.version()
        )
        positions = job.read()
        if positions is None:
            offer_slow_map(job, view.label)
            view = view._replace(method="pca", label="PCA")
    z, errors = get_codes(run, view.split, view.count)
    plane = None
    if view.method == "dimensions":
        chosen, axes = choose_dimensions(z, view.dims)
        positions = z[:, chosen]
        plane = make_unit_plane(z, chosen) if view.dims == 2 else None
    elif view.method == "pca":
        positions = get_principal_positions(run, view.split, view.count, view.dims)
        plane = get_principal_plane(run, view.split, view.count) if view.dims == 2 else None
        share = positions.var(0) / max(float(z.var(0).sum()), 1e-12)
        name, rest = (
            ("component ", " of the variance") if view.dims == 2 else ("PC", "")
        )  # little room in 3-D
        axes = [f"{name}{i + 1}, {part:.0%}{rest}" for i, part in enumerate(share)]
    else:
        axes = [f"{view.label} {i + 1}" for i in range(view.dims)]
    if plane is not None:
        positions = plane.positions(z)
    return LatentMap(z, errors, positions, plane, axes, group_by_class(found, view)), view


def group_by_class(found: Dataset, view: MapView) -> dict[str, np.ndarray]:
    """{class: rows of it}, without empty ones; one group where there are no classes."""
    y = getattr(found, view.split).y
    if y is None:
        return {"input": np.arange(view.count)}
    labels = y[: view.count].numpy()
    groups = {name: np.flatnonzero(labels == i) for i, name in enumerate(found.classes)}
    return {name: rows for name, rows in groups.items() if len(rows)}


def choose_dimensions(z: np.ndarray, dims: int) -> tuple[list[int], list[str]]:
    """Which code units are the axes, the most varying by default, and their titles."""
    order, deviation = (part.tolist() for part in order_dimensions(torch.from_numpy(z)))
    row = st.container(horizontal=True, gap="small")
    help = "Code units, the most varying over the shown inputs first."
    chosen = [
        choose_unit(row, f"{axis} axis", f"along_{axis}", order, i, help)
        for i, axis in enumerate("xyz"[:dims])
    ]
    return chosen, [f"z{j}, deviation {deviation[j]:.3g}" for j in chosen]


# -- slow maps


def offer_slow_map(job: ProjectionJob, label: str) -> None:
    """Start, watch and cancel the process that makes a slow map."""
    if job.is_running():
        st.fragment(watch_slow_map, run_every=MAP_POLL_SECONDS)(job, label)
        return
    if failure := job.failure():
        st.error(f"The {label} map failed. {failure}", icon=":material/error:")
        with st.expander("What the process printed", icon=":material/terminal:"):
            st.code("\n".join(job.tail()), language=None)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        f"Compute {label} of {job.count:,} points",
        icon=":material/play_arrow:",
        type="primary",
        on_click=start_slow_map,
        args=(job,),
        key="start_map",
    )
    row.caption("It runs beside this page and is kept; until then the map is PCA.")


def start_slow_map(job: ProjectionJob) -> None:
    try:
        job.start()
    except AecoreError as error:
        st.toast(str(error), icon=":material/error:")


def watch_slow_map(job: ProjectionJob, label: str) -> None:
    """One look at the process; the page is drawn anew when it has ended."""
    if not job.is_running():
        st.rerun()
    row = st.container(horizontal=True, vertical_alignment="center")
    row.status(
        f"{label} of {job.count:,} points: {job.step().lower()}, {job.seconds():.0f} s", width=460
    )
    row.button("Cancel", icon=":material/close:", on_click=job.cancel, key="cancel_map")
    st.caption("Until it is ready the map is PCA.")


# -- the figure


def draw_map(
    run: Run, found: Dataset, shown: LatentMap, view: MapView, place: str = "explorer"
) -> list[int]:
    """Draw the map, in 2-D as one that can be touched; the rows that are selected in it."""
    if view.dims == 2:
        return explore_map(run, found, shown, view, place)
    figure = draw_latent_map(
        shown.positions,
        shown.errors,
        shown.groups,
        by_error=view.colour != "class",
        axes=shown.axes,
    )
    tint = "class" if view.colour == "class" else "error"
    alt = f"{view.label} map of {view.count:,} codes of {run.id}, coloured by {tint}"
    st.plotly_chart(
        figure, key=f"{place}-3d", alt=alt, config={"scrollZoom": True, "displayModeBar": True}
    )
    return []  # Plotly selects nothing in 3-D


def choose_second_run(run: Run, found: Dataset, corner: Any) -> Run | None:
    """A second run of the same data, whose map is to stand beside; in the address."""
    fits = [
        other.id
        for other in list_usable_runs()
        if other.id != run.id and other.config().data == run.config().data
    ]
    if st.session_state.get("beside") not in (None, *fits):
        del st.session_state["beside"]
    known = {other.id: other for other in list_usable_runs()}
    chosen = corner.selectbox(
        "Beside it",
        fits,
        None,
        key="beside",
        bind="query-params",
        placeholder="none",
        help="A second run of the same data: the same inputs in two models. A selection on one "
        "map is one on both.",
    )
    return known[chosen] if chosen in fits else None


def draw_both_maps(
    run: Run, other: Run, found: Dataset, shown: LatentMap, view: MapView
) -> list[int]:
    """The maps of two runs side by side, with one selection; its rows."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**{run.id}**")
        rows = draw_map(run, found, shown, view)
    with right:
        st.markdown(f"**{other.id}**")
        draw_map(other, found, *mirror_map(other, found, view), place="explorer-beside")
    return rows


def mirror_map(run: Run, found: Dataset, view: MapView) -> tuple[LatentMap, MapView]:
    """The same inputs on another run's map: on its plane while it has no slow map of them."""
    z, errors = get_codes(run, view.split, view.count)
    groups = group_by_class(found, view)
    if view.method in PROJECTION_LIMITS:
        job = ProjectionJob(
            run, view.method, view.dims, view.split, view.count, found.name, version=run.version()
        )
        if (positions := job.read()) is not None:
            return LatentMap(
                z,
                errors,
                positions,
                None,
                [f"{view.label} {i + 1}" for i in range(view.dims)],
                groups,
            ), view
    plane = get_principal_plane(run, view.split, view.count) if view.dims == 2 else None
    positions = (
        get_principal_positions(run, view.split, view.count, view.dims)
        if plane is None
        else plane.positions(z)
    )
    axes = [f"component {i + 1}" for i in range(view.dims)]
    return LatentMap(z, errors, positions, plane, axes, groups), view._replace(
        method="pca", label="PCA"
    )


def explore_map(run: Run, found: Dataset, shown: LatentMap, view: MapView, place: str) -> list[int]:
    """The explorer; what it says of selections is kept for the other pages."""
    given = MapInputs(found, view.split, shown.z, shown.errors)
    name = f"{run.path.resolve()} {run.version()} {found.name} {view.split} {view.count}"
    token = promised_packs.promise(
        name, lambda token: encode_model_pack(get_model(run), given, token=token)
    )
    kept = None
    if view.colour == "neighbours":
        kept = get_preserved_shares(run, given, shown.positions, f"{view.method} {shown.axes}")
    epochs = get_saved_epochs(run) if shown.plane is not None and view.split == "test" else {}
    bytes_ = encode_map_pack(
        run,
        given,
        shown.positions,
        name=view.label,
        axes=shown.axes,
        plane=shown.plane,
        token=token,
        colour=view.colour,
        total=len(getattr(found, view.split).x),
        preserved=kept,
        marked=st.session_state.get(TYPED_KEY),
        epochs=epochs,
    )
    picked = show_explorer(bytes_, view.count, place, lambda: forget_typed_input(place))
    if picked.named is not None:
        keep_selections(found.name, view.split, picked.named)
    return picked.rows


def forget_typed_input(place: str) -> None:
    """A selection takes the place of the input that was typed."""
    rows = read_explorer_answer(st.session_state[place].get("selections"), MAP_POINTS).rows
    if rows and rows != [st.session_state.get(TYPED_KEY)]:
        st.session_state[TYPED_KEY] = None


def describe_map(found: Dataset, view: MapView) -> str:
    """What is on the map, and what limits it."""
    text = f"{view.count:,} {COLOUR_NAMES[view.split]} inputs of {found.name}, {view.label}."
    whole = len(getattr(found, view.split).x)
    if view.method in PROJECTION_LIMITS and view.count == PROJECTION_LIMITS[view.method] < whole:
        text += f" {view.label} is limited to {view.count:,} points."
    elif view.colour == "neighbours" and view.count == MEASURED_COLOURS < whole:
        text += f" Neighbours are compared for the first {view.count:,} points."
    return text
