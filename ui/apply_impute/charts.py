"""The figures of the Impute page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import READABLE_TEXT, escape_label, finish_figure, shorten_label

TITLE_LETTERS = 40  # of a column


def draw_bars(values: Mapping[str, float], colours: Mapping[str, str], y: str) -> go.Figure:
    """Draws a bar for each name, grey unless it has a colour, with its value on top."""
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(values.values()),
            text=[f"{value:.3g}" for value in values.values()],
            textposition="outside",
            cliponaxis=False,
            marker={"color": [colours.get(name, "#9aa0a6") for name in values]},
        )
    )
    figure.update_layout(yaxis_title=y, showlegend=False, uniformtext=READABLE_TEXT)
    return finish_figure(figure, 340)


def draw_truth_against_filling(
    truth: np.ndarray,
    filling: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray] | None,
    name: str,
    unit: str,
    colour: str,
) -> go.Figure:
    """Draws fillings (N,) over the truth (N,), and the line on which both are equal.

    `ends` are the lower and upper ends of prediction intervals, where there are some. `unit` is
    that of both, such as kg or days since 2024-01-01; empty where there is none.
    """
    figure = go.Figure()
    low, high = float(min(truth.min(), filling.min())), float(max(truth.max(), filling.max()))
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": "#888888", "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    error_bars = None
    if ends is not None:
        error_bars = {
            "type": "data",
            "array": np.maximum(ends[1] - filling, 0),
            "arrayminus": np.maximum(filling - ends[0], 0),
            "thickness": 1,
            "width": 0,
            "color": colour,
        }
    figure.add_scatter(
        x=truth,
        y=filling,
        mode="markers",
        error_y=error_bars,
        marker={"color": colour, "size": 7},
        showlegend=False,
    )
    title = escape_label(shorten_label(name, TITLE_LETTERS) + (f", {unit}" if unit else ""))
    figure.update_layout(xaxis_title=f"{title}: truth", yaxis_title=f"{title}: filled")
    return finish_figure(figure, 320)
