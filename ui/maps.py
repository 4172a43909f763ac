"""The map of a run's codes: its controls, its figure, and the slow projections that others compute."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import streamlit as st
import torch

from aecore import latent, packs
from aecore.data import Dataset
from aecore.errors import AecoreError
from aecore.latent import Plane, Projection
from aecore.maps import LIMITS, MapJob
from aecore.packs import Shown
from aecore.runs import Run
from ui import cache, examples, explorer, figures, state

METHODS: dict[str, Projection] = {"PCA": "pca", "Dimensions": "dimensions", "t-SNE": "tsne", "UMAP": "umap"}
HELP = {
    "PCA": "the plane of the codes' largest variance: at once, true to distances in it, and every place on it is a "
    "code that decodes.",
    "Dimensions": "raw code units as axes, a plane as well.",
    "t-SNE": "keeps near points near (van der Maaten & Hinton, 2008); sizes and gaps of clusters mean little. Between "
    "points the codes of neighbours are blended.",
    "UMAP": "as t-SNE, faster, and with more of the whole (McInnes et al., 2018).",
}
COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000, 100_000, 300_000, cache.MAP_POINTS)
COLOURS = {
    "class": "the class of the input.",
    "error": "the squared error of its reconstruction, summed over features.",
    "neighbours": "which share of its 10 nearest codes is also among its 10 nearest on this map: where that is low, "
    "the map lies.",
}
MEASURED = 10_000  # points whose neighbours are compared; more take too long
NAMES = {"test": "test", "train": "training"}
POLL_SECONDS = 1.0
TYPED = "input"  # the key of the input that is chosen by number


class View(NamedTuple):
    """What the controls say."""

    method: Projection
    label: str
    dims: int
    colour: str
    split: Literal["test", "train"]
    count: int


class Map(NamedTuple):
    """The shown points, row i being input i of the split."""

    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)
    positions: np.ndarray  # (N, dims)
    plane: Plane | None  # which the positions lie in, where they are a plane's
    axes: list[str]
    groups: dict[str, np.ndarray]  # the rows of each trace of the figure


def controls(found: Dataset, corner: Any) -> View:
    """One row of controls and a slider in the corner, each in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    about = "\n".join(f"- **{name}**: {text}" for name, text in HELP.items())
    label = row.segmented_control("Projection", list(METHODS), default="PCA", required=True, key="map",
                                  bind="query-params", help=about)  # fmt: skip
    dims = row.segmented_control("Axes", ["2-D", "3-D"], default="2-D", required=True, key="axes", bind="query-params",
                                 help="3-D is to turn and zoom; box and lasso need 2-D.")  # fmt: skip
    colours = list(COLOURS) if found.test.y is not None else ["error", "neighbours"]
    if st.session_state.get("colour", colours[0]) not in colours:  # the last run had classes
        del st.session_state["colour"]
    what = "\n".join(f"- **{name}**: {text}" for name, text in COLOURS.items())
    colour = row.segmented_control("Colour", colours, default=colours[0], required=True, key="colour",
                                   bind="query-params", help=what)  # fmt: skip
    split = row.segmented_control("Inputs", ["test", "train"], default="test", required=True, key="split",
                                  bind="query-params",
                                  help="Those the model has not seen, or those it learned from.")  # fmt: skip
    points = corner.select_slider("Points", COUNTS, 5000, key="points", bind="query-params",
                                  format_func=lambda n: f"{n:,}",
                                  help="The first so many inputs of the set.")  # fmt: skip
    count = min(points, len(getattr(found, split).x))
    if colour == "neighbours":
        count = min(count, MEASURED)
    return View(METHODS[label], label, int(dims[0]), colour, split, count)


def load(run: Run, found: Dataset, view: View) -> tuple[Map, View]:
    """The map to show now, and the view that it is: PCA and fewer points while a slow one is missing."""
    if view.method in LIMITS:
        view = view._replace(count=min(view.count, LIMITS[view.method]))
        job = MapJob(run, view.method, view.dims, view.split, view.count, found.name, version=run.version())
        positions = job.read()
        if positions is None:
            offer(job, view.label)
            view = view._replace(method="pca", label="PCA")
    z, errors = cache.codes(run, view.split, view.count)
    plane = None
    if view.method == "dimensions":
        chosen, axes = choose_dimensions(z, view.dims)
        positions = z[:, chosen]
        plane = latent.unit_plane(z, chosen) if view.dims == 2 else None
    elif view.method == "pca":
        positions = cache.principal(run, view.split, view.count, view.dims)
        plane = cache.principal_plane(run, view.split, view.count) if view.dims == 2 else None
        share = positions.var(0) / max(float(z.var(0).sum()), 1e-12)
        name, rest = ("component ", " of the variance") if view.dims == 2 else ("PC", "")  # little room in 3-D
        axes = [f"{name}{i + 1}, {part:.0%}{rest}" for i, part in enumerate(share)]
    else:
        axes = [f"{view.label} {i + 1}" for i in range(view.dims)]
    if plane is not None:
        positions = plane.positions(z)
    return Map(z, errors, positions, plane, axes, groups_of(found, view)), view


def groups_of(found: Dataset, view: View) -> dict[str, np.ndarray]:
    """{class: rows of it}, without empty ones; one group where there are no classes."""
    y = getattr(found, view.split).y
    if y is None:
        return {"input": np.arange(view.count)}
    labels = y[: view.count].numpy()
    groups = {name: np.flatnonzero(labels == i) for i, name in enumerate(found.classes)}
    return {name: rows for name, rows in groups.items() if len(rows)}


def choose_dimensions(z: np.ndarray, dims: int) -> tuple[list[int], list[str]]:
    """Which code units are the axes, the most varying by default, and their titles."""
    order, deviation = (part.tolist() for part in latent.spread(torch.from_numpy(z)))
    row = st.container(horizontal=True, gap="small")
    help = "Code units, the most varying over the shown inputs first."
    chosen = [examples.choose_unit(row, f"{axis} axis", f"along_{axis}", order, i, help)
              for i, axis in enumerate("xyz"[:dims])]  # fmt: skip
    return chosen, [f"z{j}, deviation {deviation[j]:.3g}" for j in chosen]


# -- slow maps


def offer(job: MapJob, label: str) -> None:
    """Start, watch and cancel the process that makes a slow map."""
    if job.is_running():
        st.fragment(watch, run_every=POLL_SECONDS)(job, label)
        return
    if failure := job.failure():
        st.error(f"The {label} map failed. {failure}", icon=":material/error:")
        with st.expander("What the process printed", icon=":material/terminal:"):
            st.code("\n".join(job.tail()), language=None)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(f"Compute {label} of {job.count:,} points", icon=":material/play_arrow:", type="primary",
               on_click=start, args=(job,), key="start_map")  # fmt: skip
    row.caption("It runs beside this page and is kept; until then the map is PCA.")


def start(job: MapJob) -> None:
    try:
        job.start()
    except AecoreError as error:
        st.toast(str(error), icon=":material/error:")


def watch(job: MapJob, label: str) -> None:
    """One look at the process; the page is drawn anew when it has ended."""
    if not job.is_running():
        st.rerun()
    row = st.container(horizontal=True, vertical_alignment="center")
    row.status(f"{label} of {job.count:,} points: {job.step().lower()}, {job.seconds():.0f} s", width=460)
    row.button("Cancel", icon=":material/close:", on_click=job.cancel, key="cancel_map")
    st.caption("Until it is ready the map is PCA.")


# -- the figure


def draw(run: Run, found: Dataset, shown: Map, view: View, place: str = "explorer") -> list[int]:
    """Draw the map, in 2-D as one that can be touched; the rows that are selected in it."""
    if view.dims == 2:
        return explore(run, found, shown, view, place)
    figure = figures.latent_map(shown.positions, shown.errors, shown.groups, by_error=view.colour != "class",
                                axes=shown.axes)  # fmt: skip
    tint = "class" if view.colour == "class" else "error"
    alt = f"{view.label} map of {view.count:,} codes of {run.id}, coloured by {tint}"
    st.plotly_chart(figure, key=f"{place}-3d", alt=alt, config={"scrollZoom": True, "displayModeBar": True})
    return []  # Plotly selects nothing in 3-D


def choose_other(run: Run, found: Dataset, corner: Any) -> Run | None:
    """A second run of the same data, whose map is to stand beside; in the address."""
    fits = [other.id for other in state.usable_runs()
            if other.id != run.id and other.config().data == run.config().data]  # fmt: skip
    if st.session_state.get("beside") not in (None, *fits):
        del st.session_state["beside"]
    known = {other.id: other for other in state.usable_runs()}
    chosen = corner.selectbox("Beside it", fits, None, key="beside", bind="query-params", placeholder="none",
                              help="A second run of the same data: the same inputs in two models. A selection on one "
                              "map is one on both.")  # fmt: skip
    return known[chosen] if chosen in fits else None


def draw_both(run: Run, other: Run, found: Dataset, shown: Map, view: View) -> list[int]:
    """The maps of two runs side by side, with one selection; its rows."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**{run.id}**")
        rows = draw(run, found, shown, view)
    with right:
        st.markdown(f"**{other.id}**")
        draw(other, found, *mirrored(other, found, view), place="explorer-beside")
    return rows


def mirrored(run: Run, found: Dataset, view: View) -> tuple[Map, View]:
    """The same inputs on another run's map: on its plane while it has no slow map of them."""
    z, errors = cache.codes(run, view.split, view.count)
    groups = groups_of(found, view)
    if view.method in LIMITS:
        job = MapJob(run, view.method, view.dims, view.split, view.count, found.name, version=run.version())
        if (positions := job.read()) is not None:
            return Map(z, errors, positions, None, [f"{view.label} {i + 1}" for i in range(view.dims)], groups), view
    plane = cache.principal_plane(run, view.split, view.count) if view.dims == 2 else None
    positions = cache.principal(run, view.split, view.count, view.dims) if plane is None else plane.positions(z)
    axes = [f"component {i + 1}" for i in range(view.dims)]
    return Map(z, errors, positions, plane, axes, groups), view._replace(method="pca", label="PCA")


def explore(run: Run, found: Dataset, shown: Map, view: View, place: str) -> list[int]:
    """The explorer; what it says of selections is kept for the other pages."""
    given = Shown(found, view.split, shown.z, shown.errors)
    name = f"{run.path.resolve()} {run.version()} {found.name} {view.split} {view.count}"
    token = explorer.models.promise(name, lambda token: packs.model_pack(cache.model(run), given, token=token))
    kept = None
    if view.colour == "neighbours":
        kept = cache.preserved(run, given, shown.positions, f"{view.method} {shown.axes}")
    epochs = cache.epochs(run) if shown.plane is not None and view.split == "test" else {}
    bytes_ = packs.map_pack(run, given, shown.positions, name=view.label, axes=shown.axes, plane=shown.plane,
                            token=token, colour=view.colour, total=len(getattr(found, view.split).x), preserved=kept,
                            marked=st.session_state.get(TYPED), epochs=epochs)  # fmt: skip
    picked = explorer.show(bytes_, view.count, place, lambda: forget_typed(place))
    if picked.named is not None:
        state.keep_selections(found.name, view.split, picked.named)
    return picked.rows


def forget_typed(place: str) -> None:
    """A selection takes the place of the input that was typed."""
    rows = explorer.read(st.session_state[place].get("selections"), cache.MAP_POINTS).rows
    if rows and rows != [st.session_state.get(TYPED)]:
        st.session_state[TYPED] = None


def caption(found: Dataset, view: View) -> str:
    """What is on the map, and what limits it."""
    text = f"{view.count:,} {NAMES[view.split]} inputs of {found.name}, {view.label}."
    whole = len(getattr(found, view.split).x)
    if view.method in LIMITS and view.count == LIMITS[view.method] < whole:
        text += f" {view.label} is limited to {view.count:,} points."
    elif view.colour == "neighbours" and view.count == MEASURED < whole:
        text += f" Neighbours are compared for the first {view.count:,} points."
    return text
