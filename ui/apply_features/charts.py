"""The figures of the Features page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, finish_figure, get_variant_colour, make_decade_axis


def draw_size_against_error(
    curve: np.ndarray, runs: Sequence[tuple[str, str, int, float]]
) -> go.Figure:
    """PCA's error by its number of components (index), and runs (id, variant, size of the code, error)."""
    most = max([*(size for _, _, size, _ in runs), 64])
    sizes = [n for n in range(1, len(curve)) if n <= most and curve[n] > 1e-9]
    figure = go.Figure(
        go.Scatter(
            x=sizes,
            y=[curve[n] for n in sizes],
            mode="lines",
            name="PCA",
            line={"color": "#888888", "width": 3},
        )
    )
    for name, variant, size, error in runs:
        mark, hover = (
            {"size": 12, "color": get_variant_colour(variant)},
            f"{name}<br>{size} units<br>squared error {error:.3g}",
        )
        figure.add_scatter(
            x=[size],
            y=[error],
            mode="markers",
            name=name,
            marker=mark,
            hovertemplate=f"{hover}<extra></extra>",
        )
    figure.update_xaxes(title="size of the code", **make_decade_axis())
    figure.update_yaxes(title="squared error", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 460)
