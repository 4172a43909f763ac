"""The figures of the Manifold page, but for that of the surface."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, choose_scatter, finish_figure, make_decade_axis


def draw_spectra(lines: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> go.Figure:
    """Draws the singular values (k,) of each Jacobian on a log axis: encoders' dashed, hollow."""
    figure = go.Figure()
    for name, values in lines.items():
        values = values[values > 1e-6 * values.max(initial=1e-12)]
        is_encoder = name.endswith("encoder")
        figure.add_scatter(
            x=np.arange(1, len(values) + 1),
            y=values,
            name=name,
            mode="lines" if len(values) > 40 else "lines+markers",
            line={"color": colours[name], "dash": "dash" if is_encoder else "solid", "width": 2},
            marker={"symbol": "circle-open" if is_encoder else "circle"},
        )
    figure.update_xaxes(title="number of the direction")
    figure.update_yaxes(title="singular value", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 380)


def draw_coloured_map(positions: np.ndarray, values: np.ndarray, name: str) -> go.Figure:
    """Draws points (N, 2) coloured by a value (N,)."""
    bar = {"title": name, "orientation": "h", "y": -0.05, "yanchor": "top", "thickness": 12}
    marker = {
        "size": 7,
        "color": values,
        "colorscale": "Viridis",
        "showscale": True,
        "colorbar": bar,
    }
    figure = go.Figure(
        choose_scatter(len(positions))(
            x=positions[:, 0],
            y=positions[:, 1],
            mode="markers",
            marker=marker,
            text=values,
            hovertemplate=f"{name} %{{text:.2f}}<extra></extra>",
        )
    )
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    return finish_figure(figure, 440)
