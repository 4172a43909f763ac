"""Arrays to figures: no Streamlit, no torch. One colour for each variant, everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from aecore.model.variants import VARIANTS


def draw_grouped_bars(
    names: Sequence[str], series: Mapping[str, Sequence[float]], y: str, x: str = ""
) -> go.Figure:
    """Bars side by side, {series: a height for each name}, with their values on top."""
    figure = go.Figure()
    for i, (name, heights) in enumerate(series.items()):
        figure.add_bar(
            x=list(names),
            y=list(heights),
            name=name,
            marker={"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]},
            text=[f"{h:.3g}" for h in heights],
            textposition="outside",
            cliponaxis=False,
        )
    figure.update_layout(barmode="group", yaxis_title=y, xaxis_title=x, showlegend=len(series) > 1)
    figure.update_layout(legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"})
    return finish_figure(figure, 380)


def draw_small_map(positions: np.ndarray, groups: Mapping[str, np.ndarray]) -> go.Figure:
    """Points (N, 2) without axes, a trace for each group {class: its rows}."""
    figure = go.Figure()
    for i, (name, rows) in enumerate(groups.items()):
        at = positions[rows].astype(np.float32)
        figure.add_trace(
            go.Scattergl(
                x=at[:, 0],
                y=at[:, 1],
                mode="markers",
                name=name,
                hoverinfo="name",
                marker={"size": 5, "opacity": 0.75, "color": CLASS_COLOURS[i % 10]},
            )
        )
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.02}, showlegend=len(groups) > 1)
    return finish_figure(figure, 380)


CLASS_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#44aa99",
    "#ee8866",
    "#117733",
    "#882255",
)
LINE_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEGEND_BELOW = {"orientation": "h", "itemsizing": "constant", "y": -0.12, "yanchor": "top"}
LOSS_LABEL = "loss per example"


def variant_colour(variant: str) -> str:
    return VARIANTS[variant].colour if variant in VARIANTS else "#777777"


def text_colour_on(background: str) -> str:
    """Black or white, whichever reads better on a colour #rrggbb."""
    red, green, blue = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def draw_cloud(groups: Mapping[str, np.ndarray], tints: Sequence[str] = CLASS_COLOURS) -> go.Figure:
    """Named groups of points (N, 2 or 3): the first grey and small, as the ground for the others; a lone one large."""
    figure = go.Figure()
    for i, (name, points) in enumerate(groups.items()):
        d = points.shape[1]
        kind = go.Scatter3d if d == 3 else go.Scattergl
        at = {axis: points[:, j].astype(np.float32) for j, axis in enumerate("xyz"[:d])}
        look = (
            {"size": 4, "color": tints[i]} if i else {"size": 2, "color": "#999999", "opacity": 0.5}
        )
        look |= {"size": 10 if d == 2 else 6, "symbol": "diamond"} if i and len(points) == 1 else {}
        figure.add_trace(kind(**at, mode="markers", name=name, marker=look))
        if d == 2:
            figure.update_yaxes(scaleanchor="x")
    figure.update_layout(legend=LEGEND_BELOW)
    return finish_figure(figure, 420)


def finish_figure(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    return figure
