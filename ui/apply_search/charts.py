"""The figures of the Search page."""

from __future__ import annotations

import html
from collections.abc import Mapping

import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, finish_figure, shorten_label

MARKER_SYMBOLS = ("circle", "diamond", "x", "square", "cross")


def draw_class_dots(shares: Mapping[str, Mapping[str, float]], y: str, x: str) -> go.Figure:
    """Draws shares by class, {method: {class: share}}: a dot over each class for each method.

    A method has a symbol and a colour of its own; `x` and `y` are the titles of the axes.
    """
    figure = go.Figure()
    for i, (method, share_by_class) in enumerate(shares.items()):
        marker = {
            "size": 10,
            "symbol": MARKER_SYMBOLS[i % len(MARKER_SYMBOLS)],
            "color": CLASS_COLOURS[i % len(CLASS_COLOURS)],
        }
        figure.add_scatter(
            x=[shorten_label(name) for name in share_by_class],
            y=list(share_by_class.values()),
            name=method,
            mode="markers",
            marker=marker,
            hovertemplate=f"%{{x}}: %{{y:.3g}}<extra>{html.escape(method)}</extra>",
        )
    figure.update_xaxes(title=x, type="category")
    figure.update_yaxes(title=y)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 340)
