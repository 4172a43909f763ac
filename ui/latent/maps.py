"""The map of a run's codes: positions, axes and groups of its points."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from streamlit.delta_generator import DeltaGenerator

from aecore.analysis.class_axes import fit_class_axes
from aecore.analysis.latent import Plane, make_unit_plane
from aecore.analysis.projection_job import PROJECTION_LIMITS, ProjectionJob
from aecore.data.splits import Dataset
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import get_codes, get_dataset, get_principal_plane, get_principal_positions
from ui.kit.memory import keep_in_memory
from ui.latent.controls import COMPARED_NEIGHBOURS, MapView, choose_dimensions
from ui.latent.slow_maps import offer_slow_map

MAP_NAMES = {
    "Classes": "on the plane in which the classes differ most",
    "Dimensions": "by their code units",
}
SPLIT_ADJECTIVES = {"test": "test", "train": "training"}


class LatentMap(NamedTuple):
    """The shown points, row i being input i of the split."""

    z: np.ndarray  # (N, latent_dim)
    errors: np.ndarray  # (N,)
    positions: np.ndarray  # (N, dims)
    plane: Plane | None  # of the positions, where they lie in one
    axes: list[str]  # titles
    groups: dict[str, np.ndarray]  # the rows of each trace of the figure


def load_map(
    run: Run, dataset: Dataset, view: MapView, settings: DeltaGenerator
) -> tuple[LatentMap, MapView]:
    """Returns the map to show now, and its view; the units of its axes are chosen in `settings`.

    While a slow map is missing, that is PCA of no more points, and the slow one is offered.
    """
    if view.method in PROJECTION_LIMITS:
        view = view._replace(points=min(view.points, PROJECTION_LIMITS[view.method]))
        job = make_projection_job(run, dataset, view)
        positions = job.read()
        if positions is not None:
            return make_slow_map(run, dataset, view, positions), view
        offer_slow_map(job, view.label)
        view = view._replace(method="pca", label="PCA")
    if view.method != "dimensions":
        return make_spread_map(run, dataset, view), view
    z, errors = get_codes(run, view.split, view.points)
    units, axes = choose_dimensions(z, view.dims, settings)
    positions = z[:, units]
    plane = make_unit_plane(z, units) if view.dims == 2 else None
    if plane is not None:
        positions = plane.positions(z)
    return LatentMap(z, errors, positions, plane, axes, group_by_class(dataset, view)), view


def make_spread_map(run: Run, dataset: Dataset, view: MapView) -> LatentMap:
    """Returns the map on the plane where codes, or their classes, are spread most."""
    z, errors = get_codes(run, view.split, view.points)
    if view.method == "classes":
        space = get_class_plane(run, view.split, view.points, view.dims)
        positions, plane = space.positions(z), space if view.dims == 2 else None
        axes = [f"direction {i + 1} between classes" for i in range(view.dims)]
    else:
        positions = get_principal_positions(run, view.split, view.points, view.dims)
        plane = get_principal_plane(run, view.split, view.points) if view.dims == 2 else None
        axes = title_principal_axes(z, positions, view.dims)
        positions = plane.positions(z) if plane is not None else positions
    return LatentMap(z, errors, positions, plane, axes, group_by_class(dataset, view))


@keep_in_memory()
def load_class_axes(
    path: str, version: float, data_name: str, split: str, count: int, dims: int
) -> tuple[np.ndarray, ...]:
    """Returns the origin and the axes (dims, latent_dim) in which the classes of codes differ."""
    run = Run(Path(path))
    z, _ = get_codes(run, split, count)
    labels = getattr(get_dataset(run)[0], split).y[:count].numpy()
    return fit_class_axes(z, labels, dims)


def get_class_plane(run: Run, split: str, count: int, dims: int) -> Plane:
    """Returns the plane, or with `dims` 3 the space, in which the classes of codes differ most."""
    name = get_dataset(run)[0].name
    return Plane(*load_class_axes(str(run.path), run.version(), name, split, count, dims))


def load_second_map(run: Run, dataset: Dataset, view: MapView) -> tuple[LatentMap, MapView]:
    """Returns the same inputs on another run's map, and its view.

    That is its plane of principal components where the first one shows units of its code, or a slow
    map that this run has not.
    """
    if view.method in PROJECTION_LIMITS:
        positions = make_projection_job(run, dataset, view).read()
        if positions is not None:
            return make_slow_map(run, dataset, view, positions), view
    if view.method != "classes":
        view = view._replace(method="pca", label="PCA")
    return make_spread_map(run, dataset, view), view


def make_projection_job(run: Run, dataset: Dataset, view: MapView) -> ProjectionJob:
    """Returns the process that computes, or has computed, the slow map of a view."""
    return ProjectionJob(
        run, view.method, view.dims, view.split, view.points, dataset.name, version=run.version()
    )


def make_slow_map(run: Run, dataset: Dataset, view: MapView, positions: np.ndarray) -> LatentMap:
    """Returns the map of positions (N, dims) that a projection job computed."""
    z, errors = get_codes(run, view.split, view.points)
    axes = [f"{view.label} {i + 1}" for i in range(view.dims)]
    return LatentMap(z, errors, positions, None, axes, group_by_class(dataset, view))


def title_principal_axes(z: np.ndarray, positions: np.ndarray, dims: int) -> list[str]:
    """Returns the titles of principal axes, with their shares of the codes' variance."""
    shares = positions.var(0) / max(float(z.var(0).sum()), 1e-12)
    if dims == 3:  # where there is little room
        return [f"PC{i + 1}, {share:.0%}" for i, share in enumerate(shares)]
    return [f"component {i + 1}, {share:.0%} of the variance" for i, share in enumerate(shares)]


def group_by_class(dataset: Dataset, view: MapView) -> dict[str, np.ndarray]:
    """Returns {class: its rows} without empty ones; one group where there are no classes."""
    y = getattr(dataset, view.split).y
    if y is None:
        return {"input": np.arange(view.points)}
    labels = y[: view.points].numpy()
    groups = {name: np.flatnonzero(labels == i) for i, name in enumerate(dataset.classes)}
    return {name: rows for name, rows in groups.items() if len(rows)}


def describe_map(dataset: Dataset, view: MapView) -> str:
    """Returns the caption of a map as Markdown: its inputs, and what limits their number."""
    inputs = f"{SPLIT_ADJECTIVES[view.split]} inputs of {escape_name(dataset.name)}"
    text = f"{view.points:,} {inputs}, {MAP_NAMES.get(view.label, view.label)}."
    total = len(getattr(dataset, view.split).x)
    if view.method in PROJECTION_LIMITS and view.points == PROJECTION_LIMITS[view.method] < total:
        text += f" {view.label} is limited to {view.points:,} points."
    elif view.colour == "neighbours" and view.points == COMPARED_NEIGHBOURS < total:
        text += f" Neighbours are compared for the first {view.points:,} points."
    return text
