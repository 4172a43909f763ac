"""The figures of the Search page."""

from __future__ import annotations

import html
from collections.abc import Mapping

import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, finish_figure, shorten_label


def draw_class_dots(lines: Mapping[str, Mapping[str, float]], y: str, x: str) -> go.Figure:
    """Shares by class, {way: {class: share}}: a dot a way, of a shape of its own, over each class."""
    figure = go.Figure()
    symbols = ("circle", "diamond", "x", "square", "cross")
    for i, (name, shares) in enumerate(lines.items()):
        marker = {
            "size": 10,
            "symbol": symbols[i % len(symbols)],
            "color": CLASS_COLOURS[i % len(CLASS_COLOURS)],
        }
        hover = f"%{{x}}: %{{y:.3g}}<extra>{html.escape(name)}</extra>"
        figure.add_scatter(
            x=[shorten_label(kind) for kind in shares],
            y=list(shares.values()),
            name=name,
            mode="markers",
            marker=marker,
            hovertemplate=hover,
        )
    figure.update_xaxes(title=x, type="category")
    figure.update_yaxes(title=y)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 340)
