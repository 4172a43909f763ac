"""The figures of the Latent page: maps that Plotly draws, and one code as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, choose_scatter, finish_figure


def draw_latent_map(
    positions: np.ndarray,
    errors: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    by_error: bool = False,
    axes: Sequence[str] = ("1", "2", "3"),
) -> go.Figure:
    """Draws points (N, 2 or 3), a trace for each group {class: its rows}.

    They are coloured by class or by error (N,). Everything is float32 or smaller, so that 60,000
    points are about a megabyte in the browser.
    """
    dims, figure = positions.shape[1], go.Figure()
    trace = choose_scatter(len(positions), dims)
    size = choose_marker_size(len(positions), dims)
    for i, (name, rows) in enumerate(groups.items()):
        colour = {"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]}
        if by_error:
            colour = {"color": errors[rows].astype(np.float32), "coloraxis": "coloraxis"}
        coordinates = {
            axis: positions[rows, j].astype(np.float32) for j, axis in enumerate("xyz"[:dims])
        }
        figure.add_trace(
            trace(
                **coordinates,
                mode="markers",
                name=name,
                marker={"size": size, "opacity": 0.75, **colour},
                customdata=np.stack([rows, errors[rows]], axis=1).astype(np.float32),
                hovertemplate="%{fullData.name}<br>input %{customdata[0]:.0f}"
                "<br>squared error %{customdata[1]:.3g}<extra></extra>",
            )
        )
    figure.update_layout(showlegend=len(groups) > 1 and not by_error, legend=LEGEND_BELOW)
    if by_error:
        figure.update_layout(coloraxis=make_error_scale(errors))
    if dims == 3:
        titles = {f"{axis}axis_title": axes[j] for j, axis in enumerate("xyz")}
        figure.update_layout(scene={**titles, "camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.0}}})
    else:
        figure.update_layout(xaxis_title=axes[0], yaxis_title=axes[1])
    return finish_figure(figure, 600)


def choose_marker_size(count: int, dims: int) -> float:
    """Returns the diameter in pixels of each of `count` points."""
    if dims == 3:
        return 2.5
    if count < 3000:
        return 7
    return 5 if count < 20_000 else 3


def make_error_scale(errors: np.ndarray) -> dict[str, Any]:
    """Returns a colour axis over errors (N,), cut at quantiles so that outliers do not grey it."""
    low, high = (float(np.quantile(errors, share)) for share in (0.01, 0.99))
    bar = {
        "title": "squared error",
        "orientation": "h",
        "y": -0.12,
        "yanchor": "top",
        "thickness": 12,
    }
    return {"colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}


def draw_code_bars(code: np.ndarray, colour: str) -> go.Figure:
    """Draws one code z (latent_dim,), a bar for each dimension."""
    figure = go.Figure(
        go.Bar(
            y=code.astype(np.float32),
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="z%{x} = %{y:.3g}<extra></extra>",
        )
    )
    ticks = {"title": "dimension of z", **({"dtick": 1} if len(code) <= 12 else {})}
    figure.update_layout(xaxis=ticks, bargap=0.1, showlegend=False)
    return finish_figure(figure, 170)
