"""The map of a run's codes: its controls, its figure, and the slow projections that others compute."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import streamlit as st
import torch

from aecore import latent
from aecore.data import Dataset
from aecore.errors import AecoreError
from aecore.latent import Projection
from aecore.maps import LIMITS, MapJob
from aecore.runs import Run
from ui import cache, examples, figures

METHODS: dict[str, Projection] = {"PCA": "pca", "Dimensions": "dimensions", "t-SNE": "tsne", "UMAP": "umap"}
HELP = {
    "PCA": "the plane of the codes' largest variance: at once, and true to distances in it.",
    "Dimensions": "raw code units as axes.",
    "t-SNE": "keeps near points near (van der Maaten & Hinton, 2008); sizes and gaps of clusters mean little.",
    "UMAP": "as t-SNE, faster, and with more of the whole (McInnes et al., 2018).",
}
COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 40_000, cache.MAP_POINTS)
NAMES = {"test": "test", "train": "training"}
POLL_SECONDS = 1.0
TYPED = "input"  # the key of the input that is chosen by number


class View(NamedTuple):
    """What the controls say."""

    method: Projection
    label: str
    dims: int
    by_error: bool
    split: Literal["test", "train"]
    count: int


class Map(NamedTuple):
    """The shown points, row i being input i of the split."""

    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)
    positions: np.ndarray  # (N, dims)
    axes: list[str]
    groups: dict[str, np.ndarray]  # the rows of each trace of the figure


def controls(found: Dataset, corner: Any) -> View:
    """One row of controls and a slider in the corner, each in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    about = "\n".join(f"- **{name}**: {text}" for name, text in HELP.items())
    label = row.segmented_control("Projection", list(METHODS), default="PCA", required=True, key="map",
                                  bind="query-params", help=about)  # fmt: skip
    dims = row.segmented_control("Axes", ["2-D", "3-D"], default="2-D", required=True, key="axes", bind="query-params",
                                 help="3-D is to turn and zoom; box and lasso need 2-D.")  # fmt: skip
    colour = row.segmented_control("Colour", ["class", "error"], default="class", required=True, key="colour",
                                   bind="query-params", disabled=found.test.y is None,
                                   help="The class of the input, or the squared error of its reconstruction, summed "
                                   "over features.")  # fmt: skip
    split = row.segmented_control("Inputs", ["test", "train"], default="test", required=True, key="split",
                                  bind="query-params",
                                  help="Those the model has not seen, or those it learned from.")  # fmt: skip
    points = corner.select_slider("Points", COUNTS, 5000, key="points", bind="query-params",
                                  format_func=lambda n: f"{n:,}",
                                  help="The first so many inputs of the set.")  # fmt: skip
    count = min(points, len(getattr(found, split).x))
    return View(METHODS[label], label, int(dims[0]), colour == "error" or found.test.y is None, split, count)


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
    if view.method == "dimensions":
        chosen, axes = choose_dimensions(z, view.dims)
        positions = z[:, chosen]
    elif view.method == "pca":
        positions = cache.principal(run, view.split, view.count, view.dims)
        share = positions.var(0) / max(float(z.var(0).sum()), 1e-12)
        name, rest = ("component ", " of the variance") if view.dims == 2 else ("PC", "")  # little room in 3-D
        axes = [f"{name}{i + 1}, {part:.0%}{rest}" for i, part in enumerate(share)]
    else:
        axes = [f"{view.label} {i + 1}" for i in range(view.dims)]
    return Map(z, errors, positions, axes, groups_of(found, view)), view


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


def draw(run: Run, found: Dataset, shown: Map, view: View) -> list[int]:
    """Draw the map; the rows that are selected in it."""
    figure = figures.latent_map(shown.positions, shown.errors, shown.groups, by_error=view.by_error, axes=shown.axes)
    alt = f"{view.label} map of {view.count:,} codes of {run.id}, coloured by {'error' if view.by_error else 'class'}"
    config = {"scrollZoom": True, "displayModeBar": True, "modeBarButtonsToRemove": ["autoScale2d"]}
    if view.dims == 3:  # Plotly selects nothing in 3-D
        st.plotly_chart(figure, key="map3d", alt=alt, config=config)
        return []
    event = st.plotly_chart(figure, key="map2d", on_select=forget_typed, alt=alt, config=config)
    return selected(event["selection"]["points"], list(shown.groups.values()))


def forget_typed() -> None:
    """A selection takes the place of the input that was typed."""
    st.session_state[TYPED] = None


def caption(found: Dataset, view: View) -> str:
    """What is on the map, and what limits it."""
    text = f"{view.count:,} {NAMES[view.split]} inputs of {found.name}, {view.label}."
    if view.method in LIMITS and view.count == LIMITS[view.method] < len(getattr(found, view.split).x):
        text += f" {view.label} is limited to {view.count:,} points."
    if view.by_error or not found.classes:
        return text
    return f"{text} In the legend, a click hides a class, a double-click all others."


def selected(points: list[dict], traces: list[np.ndarray]) -> list[int]:
    """Rows of the selected points, in order; a point names its trace and its place in it."""
    rows = {int(traces[p["curve_number"]][p["point_index"]]) for p in points
            if p["curve_number"] < len(traces) and p["point_index"] < len(traces[p["curve_number"]])}  # fmt: skip
    return sorted(rows)
