"""The figures of the Compare page: loss curves, and a metric over the size of the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from aecore.runs.records import EpochRecord
from ui.kit.figures import (
    LEGEND_BELOW,
    LINE_DASHES,
    LOSS_LABEL,
    finish_figure,
    get_variant_colour,
    thin_records,
)


def draw_sweep(
    lines: Mapping[str, Sequence[tuple[int, float, float]]], colours: Mapping[str, str], y: str
) -> go.Figure:
    """Draws a metric over the latent dimension, {variant: (size, mean, deviation) of each point}.

    The deviation is a bar.
    """
    figure = go.Figure()
    for name, points in lines.items():
        sizes, means, deviations = zip(*points, strict=True)
        bars = {"type": "data", "array": deviations, "thickness": 1.5, "width": 6}
        figure.add_scatter(
            x=sizes,
            y=means,
            name=name,
            mode="lines+markers",
            error_y=bars,
            line={"color": colours[name]},
            marker={"size": 8},
        )
    ticks = sorted({size for points in lines.values() for size, _, _ in points})
    figure.update_xaxes(title="latent dimension", type="log", tickvals=ticks, ticktext=ticks)
    figure.update_yaxes(title=y)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.3}, hovermode="x unified")
    return finish_figure(figure, 340)


def draw_loss_curves(
    runs: Mapping[str, tuple[str, Sequence[EpochRecord]]], key: str, log: bool
) -> go.Figure:
    """Draws the loss of several runs, {id: (variant, records)}; runs of one variant differ in dash.

    `key` is loss or validation_loss. The names stand below, so that a narrow screen
    leaves the curves their width.
    """
    figure, used = go.Figure(), dict[str, int]()
    for name, (variant, records) in runs.items():
        dash = LINE_DASHES[used.get(variant, 0) % len(LINE_DASHES)]
        used[variant] = used.get(variant, 0) + 1
        rows = thin_records([row for row in records if getattr(row, key) is not None])
        x, y = [row.epoch for row in rows], [getattr(row, key) for row in rows]
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines+markers" if len(x) < 15 else "lines",
            line={"color": get_variant_colour(variant), "dash": dash},
        )
    figure.update_layout(
        xaxis_title="epoch", yaxis_title=LOSS_LABEL, showlegend=True, hovermode="x unified"
    )
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "x": 0})
    figure.update_yaxes(type="log" if log else "linear", exponentformat="power")
    return finish_figure(figure, 360 + 22 * len(runs))
