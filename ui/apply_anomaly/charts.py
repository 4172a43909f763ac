"""The figures of the Anomaly page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import (
    CLASS_COLOURS,
    LEGEND_BELOW,
    escape_label,
    finish_figure,
    make_decade_axis,
    shorten_label,
)

NORMAL_COLOUR, ANOMALOUS_COLOUR = CLASS_COLOURS[0], CLASS_COLOURS[1]
UNSIGNED_COLOUR = "#888888"  # of columns that are neither less nor more than expected


def draw_score_histogram(
    groups: Mapping[str, np.ndarray], threshold: float, unit: str
) -> go.Figure:
    """Draws scores (N,) of named groups as histograms on a log axis, with the threshold.

    `unit` says what the scores are. The bars of a group are shares of it; scores right of the
    threshold are alarms.
    """
    edges = choose_bin_edges(
        np.concatenate([np.asarray(scores, np.float64) for scores in groups.values()])
    )
    figure = go.Figure()
    for (name, scores), colour in zip(
        groups.items(), (NORMAL_COLOUR, ANOMALOUS_COLOUR), strict=False
    ):
        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        shares = 100 * counts / max(1, len(scores))
        figure.add_scatter(
            x=np.repeat(edges, 2),
            y=np.concatenate([[0], np.repeat(shares, 2), [0]]),
            name=f"{name}, {len(scores):,}",
            mode="lines",
            fill="tozeroy",
            line={"color": colour, "width": 1.5},
            hovertemplate="%{y:.3g} %<extra></extra>",
        )
    if threshold > 0:
        add_threshold_line(figure, threshold)
    figure.update_xaxes(
        title=f"score: {unit}",
        **make_decade_axis((1, 2, 5) if edges[-1] < 2000 * edges[0] else (1,)),
    )
    figure.update_yaxes(title="share of the group, %", rangemode="tozero")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 340)


def choose_bin_edges(scores: np.ndarray) -> np.ndarray:
    """Returns the edges of 8 to 50 bins that are equally wide on a log axis."""
    floor = max(scores[scores > 0].min(initial=1.0), scores.max() * 1e-6, 1e-12)
    bins = int(np.clip(2 * np.sqrt(len(scores)), 8, 50))
    return np.geomspace(floor, max(scores.max(), floor * 1.01), bins + 1)


def add_threshold_line(figure: go.Figure, threshold: float) -> None:
    """Add a dashed line with its value to a figure whose x axis is logarithmic."""
    figure.add_vline(threshold, line={"color": "#888888", "dash": "dash", "width": 2})
    figure.add_annotation(
        x=np.log10(threshold),
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        text=f"threshold {threshold:.3g}",
    )


def draw_rate_curve(
    x: np.ndarray,
    y: np.ndarray,
    point: tuple[float, float],
    axes: tuple[str, str],
    chance: tuple[tuple[float, float], tuple[float, float]],
) -> go.Figure:
    """Draws a curve of shares over shares, the point in use, and the ends of chance as a line."""
    figure = go.Figure()
    (x0, y0), (x1, y1) = chance
    figure.add_scatter(
        x=[x0, x1],
        y=[y0, y1],
        name="guessing",
        mode="lines",
        line={"color": "#888888", "dash": "dot"},
    )
    figure.add_scatter(
        x=x, y=y, name="every threshold", mode="lines", line={"color": NORMAL_COLOUR, "width": 2.5}
    )
    mark = {"symbol": "diamond", "size": 13, "color": ANOMALOUS_COLOUR}
    figure.add_scatter(
        x=[point[0]],
        y=[point[1]],
        name="this threshold",
        mode="markers",
        marker=mark,
        cliponaxis=False,
    )
    figure.update_xaxes(title=axes[0], range=[-0.01, 1.01])
    figure.update_yaxes(title=axes[1], range=[0, 1.02])
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.22}, showlegend=True)
    return finish_figure(figure, 340)


def draw_residual_bars(
    columns: Sequence[str], residuals: np.ndarray, signed: np.ndarray, texts: Sequence[str]
) -> go.Figure:
    """Draws residuals of columns in deviations: blue is too low, red too high, grey neither.

    `signed` says of each column whether it can be too low or too high. `texts` are shown on hover.
    """
    colours = [
        UNSIGNED_COLOUR if not has_sign else "#b2182b" if value > 0 else "#2166ac"
        for value, has_sign in zip(residuals, signed, strict=False)
    ]
    figure = go.Figure(
        go.Bar(
            x=residuals,
            y=[shorten_label(name) for name in columns],
            orientation="h",
            customdata=[escape_label(text) for text in texts],
            marker={"color": colours},
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title="standard deviations from the expected value")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return finish_figure(figure, 80 + 24 * max(3, len(columns)))  # lower, its axis has no room
