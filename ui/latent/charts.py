"""The figures of the Latent page: maps that Plotly draws, and one code as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, finish_figure


def draw_latent_map(
    positions: np.ndarray,
    errors: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    by_error: bool = False,
    axes: Sequence[str] = ("1", "2", "3"),
) -> go.Figure:
    """Points (N, 2 or 3), a trace for each group {class: its rows}, coloured by class or by error (N,).

    Everything is float32 or smaller, so that 60,000 points are about a megabyte in the browser.
    """
    d, figure = positions.shape[1], go.Figure()
    kind = go.Scatter3d if d == 3 else go.Scattergl
    size = 2.5 if d == 3 else 7 if len(positions) < 3000 else 5 if len(positions) < 20_000 else 3
    for i, (name, rows) in enumerate(groups.items()):
        at = {axis: positions[rows, j].astype(np.float32) for j, axis in enumerate("xyz"[:d])}
        tint = {"color": errors[rows].astype(np.float32), "coloraxis": "coloraxis"}
        marker = {
            "size": size,
            "opacity": 0.75,
            **(tint if by_error else {"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]}),
        }
        about = np.stack([rows, errors[rows]], axis=1).astype(np.float32)
        hover = f"{name}<br>input %{{customdata[0]:.0f}}<br>squared error %{{customdata[1]:.3g}}<extra></extra>"
        figure.add_trace(
            kind(
                **at,
                mode="markers",
                name=name,
                marker=marker,
                customdata=about,
                hovertemplate=hover,
            )
        )
    figure.update_layout(showlegend=len(groups) > 1 and not by_error, legend=LEGEND_BELOW)
    if by_error:
        bar = {
            "title": "squared error",
            "orientation": "h",
            "y": -0.12,
            "yanchor": "top",
            "thickness": 12,
        }
        low, high = (
            float(np.quantile(errors, q)) for q in (0.01, 0.99)
        )  # a few outliers would grey out the rest
        figure.update_layout(
            coloraxis={"colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}
        )
    if d == 3:
        titles = {f"{a}axis_title": axes[j] for j, a in enumerate("xyz")}
        figure.update_layout(scene={**titles, "camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.0}}})
    else:
        figure.update_layout(xaxis_title=axes[0], yaxis_title=axes[1])
    return finish_figure(figure, 600)


def draw_code_bars(code: np.ndarray, tint: str) -> go.Figure:
    """One code z (latent_dim,), a bar a dimension."""
    figure = go.Figure(
        go.Bar(
            y=code.astype(np.float32),
            marker={"color": tint, "line": {"width": 0}},
            hovertemplate="z%{x} = %{y:.3g}<extra></extra>",
        )
    )
    ticks = {"title": "dimension of z", **({"dtick": 1} if len(code) <= 12 else {})}
    figure.update_layout(xaxis=ticks, bargap=0.1, showlegend=False)
    return finish_figure(figure, 170)
