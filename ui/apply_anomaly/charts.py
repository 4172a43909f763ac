"""The figures of the Anomaly page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import (
    CLASS_COLOURS,
    LEGEND_BELOW,
    finish_figure,
    make_decade_axis,
    shorten_label,
)

NORMAL_COLOUR, ANOMALOUS_COLOUR = CLASS_COLOURS[0], CLASS_COLOURS[1]


def draw_score_histogram(groups: Mapping[str, np.ndarray], threshold: float) -> go.Figure:
    """Scores of named groups (N,), each as shares of its own, on a log axis; alarms are right of the threshold."""
    known = np.concatenate([np.asarray(scores, np.float64) for scores in groups.values()])
    floor = max(known[known > 0].min(initial=1.0), known.max() * 1e-6, 1e-12)
    bins = int(np.clip(2 * np.sqrt(len(known)), 8, 50))
    edges = np.geomspace(floor, max(known.max(), floor * 1.01), bins + 1)
    figure = go.Figure()
    for (name, scores), tint in zip(
        groups.items(), (NORMAL_COLOUR, ANOMALOUS_COLOUR), strict=False
    ):
        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        share = 100 * counts / max(1, len(scores))
        x, y = np.repeat(edges, 2), np.concatenate([[0], np.repeat(share, 2), [0]])
        figure.add_scatter(
            x=x,
            y=y,
            name=f"{name}, {len(scores):,}",
            mode="lines",
            fill="tozeroy",
            line={"color": tint, "width": 1.5},
            hovertemplate="%{y:.3g} %<extra></extra>",
        )
    if threshold > 0:
        figure.add_vline(threshold, line={"color": "#888888", "dash": "dash", "width": 2})
        figure.add_annotation(
            x=np.log10(threshold),
            y=1,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"threshold {threshold:.3g}",
        )
    figure.update_xaxes(
        title="score: squared residual, in scaled units",
        **make_decade_axis((1, 2, 5) if edges[-1] < 2000 * edges[0] else (1,)),
    )
    figure.update_yaxes(title="share of the group, %", rangemode="tozero")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 340)


def draw_rate_curve(
    x: np.ndarray,
    y: np.ndarray,
    now: tuple[float, float],
    axes: tuple[str, str],
    chance: tuple[tuple[float, float], tuple[float, float]],
) -> go.Figure:
    """A curve of shares over shares, the point that is in use, and the broken line that guessing gives."""
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
        x=[now[0]], y=[now[1]], name="this threshold", mode="markers", marker=mark, cliponaxis=False
    )
    figure.update_xaxes(title=axes[0], range=[-0.01, 1.01])
    figure.update_yaxes(title=axes[1], range=[0, 1.02])
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.22}, showlegend=True)
    return finish_figure(figure, 340)


def draw_residual_bars(
    columns: Sequence[str], residuals: np.ndarray, about: Sequence[str]
) -> go.Figure:
    """Residuals of columns in deviations, from the top down: blue too low, red too high."""
    tints = ["#b2182b" if value > 0 else "#2166ac" for value in residuals]
    figure = go.Figure(
        go.Bar(
            x=residuals,
            y=[shorten_label(name) for name in columns],
            orientation="h",
            customdata=about,
            marker={"color": tints},
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title="deviations from what was expected")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return finish_figure(figure, 80 + 24 * len(columns))
