"""The figure of a learned manifold among data of two or three columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, finish_figure, scale_axes_alike

DATA_COLOUR, ARROW_COLOUR, TANGENT_COLOUR = "#999999", "#ccbb44", "#228833"
TANGENT_LENGTH = 0.25  # to each side, of the largest extent of the data


class LearnedSurface(NamedTuple):
    """A model as it is drawn in the data's own space."""

    # (n, features) a curve or (n, n, features) a surface; None for wider codes
    sheet: np.ndarray | None
    points: np.ndarray  # (m, features) around the data
    arrows: np.ndarray  # (m, features) r(x) - x


class PointTangents(NamedTuple):
    """A point of the manifold and its tangents."""

    point: np.ndarray  # (features,)
    directions: np.ndarray | None  # (features, k); None where the codes are countable


def draw_surface(
    x: np.ndarray, surface: LearnedSurface, tangents: PointTangents, colour: str
) -> go.Figure:
    """Draws data (N, 2 or 3), the learned manifold in its colour, and the tangents at a point."""
    figure = go.Figure()
    dims = x.shape[1]
    marker = {"size": 2 if dims == 3 else 4, "color": DATA_COLOUR}
    figure.add_trace(make_trace(x, mode="markers", name="data", marker=marker))
    if surface.sheet is not None:
        figure.add_trace(make_sheet_trace(surface.sheet, colour))
    add_arrows(figure, surface)
    if dims == 2:
        scale_axes_alike(figure)
    if tangents.directions is not None:
        length = TANGENT_LENGTH * float(np.ptp(x, axis=0).max())
        figure.add_trace(make_tangent_trace(tangents.point, tangents.directions, length))
    figure.add_trace(make_point_trace(tangents.point))
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.05}, showlegend=True)
    return finish_figure(figure, 560)


def split_coordinates(points: np.ndarray) -> dict[str, np.ndarray]:
    """Returns points (..., 2 or 3) as Plotly takes them, {axis: values}."""
    return {axis: points[..., i].astype(np.float32) for i, axis in zip_axes(points)}


def zip_axes(points: np.ndarray) -> list[tuple[int, str]]:
    """Returns the index and the name of each axis of points (..., 2 or 3)."""
    return list(enumerate("xyz"[: points.shape[-1]]))


def make_trace(points: np.ndarray, **options: Any) -> go.Scatter | go.Scatter3d:
    """Returns a trace of points (N, 2 or 3)."""
    trace = go.Scatter3d if points.shape[-1] == 3 else go.Scatter
    return trace(**split_coordinates(points), **options)


def make_point_trace(point: np.ndarray) -> go.Scatter | go.Scatter3d:
    """Returns the trace of a point (2 or 3,), which stands out from its tangents."""
    marker = {
        "symbol": "diamond",
        "size": 7 if len(point) == 3 else 12,
        "color": "white",
        "line": {"color": TANGENT_COLOUR, "width": 2},
    }
    return make_trace(point[None], mode="markers", name="the point", marker=marker)


def make_sheet_trace(sheet: np.ndarray, colour: str) -> go.Surface | go.Scatter | go.Scatter3d:
    """Returns the trace of a curve (n, features) or a surface (n, n, 3)."""
    if sheet.ndim == 2:
        return make_trace(sheet, mode="lines", name="curve", line={"color": colour, "width": 5})
    return go.Surface(
        **split_coordinates(sheet),
        opacity=0.55,
        showscale=False,
        colorscale=[[0, colour], [1, colour]],
        name="surface",
        showlegend=True,
    )


def add_arrows(figure: go.Figure, surface: LearnedSurface) -> None:
    """Add the arrows of the model's pull: lines with gaps between them, and their tips."""
    starts, tips = surface.points, surface.points + surface.arrows
    dims = starts.shape[1]
    trace = go.Scatter3d if dims == 3 else go.Scatter
    gaps = np.full(len(starts), np.nan)
    lines = {
        axis: np.stack([starts[:, i], tips[:, i], gaps], 1).ravel() for i, axis in zip_axes(starts)
    }
    line = {"color": ARROW_COLOUR, "width": 3 if dims == 3 else 1.5}
    figure.add_trace(trace(**lines, mode="lines", name="pull", line=line))
    marker = {"color": ARROW_COLOUR, "size": 2 if dims == 3 else 4}
    figure.add_trace(
        make_trace(tips, mode="markers", marker=marker, showlegend=False, hoverinfo="skip")
    )


def make_tangent_trace(
    point: np.ndarray, directions: np.ndarray, length: float
) -> go.Mesh3d | go.Scatter | go.Scatter3d:
    """Returns the tangent line at a point, or the tangent plane of two directions in 3-D."""
    scaled = directions / np.linalg.norm(directions, axis=0) * length
    if scaled.shape != (3, 2):
        ends = np.stack([point - scaled[:, 0], point + scaled[:, 0]])
        return make_trace(
            ends, mode="lines", name="tangent", line={"color": TANGENT_COLOUR, "width": 5}
        )
    first, second = scaled.T
    corners = np.stack(
        [
            point - first - second,
            point + first - second,
            point + first + second,
            point - first + second,
        ]
    )
    return go.Mesh3d(
        **split_coordinates(corners),
        i=[0, 0],
        j=[1, 2],
        k=[2, 3],
        color=TANGENT_COLOUR,
        opacity=0.6,
        name="tangents",
        showlegend=True,
    )
