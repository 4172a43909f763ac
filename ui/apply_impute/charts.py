"""The figures of the Impute page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import finish_figure


def draw_bars(values: Mapping[str, float], tints: Mapping[str, str], y: str) -> go.Figure:
    """A bar for each name, grey unless it has a colour, with its value on top."""
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(values.values()),
            text=[f"{v:.3g}" for v in values.values()],
            textposition="outside",
            cliponaxis=False,
            marker={"color": [tints.get(name, "#9aa0a6") for name in values]},
        )
    )
    figure.update_layout(yaxis_title=y, showlegend=False)
    return finish_figure(figure, 340)


def draw_truth_against_filling(
    x: np.ndarray,
    guess: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray] | None,
    name: str,
    tint: str,
) -> go.Figure:
    """Fillings (N,) over the truth (N,), with intervals where there are such, and the line where both are equal."""
    figure = go.Figure()
    low, high = float(min(x.min(), guess.min())), float(max(x.max(), guess.max()))
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": "#888888", "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    error = None
    if ends is not None:
        above, below = np.maximum(ends[1] - guess, 0), np.maximum(guess - ends[0], 0)
        error = {
            "type": "data",
            "array": above,
            "arrayminus": below,
            "thickness": 1,
            "width": 0,
            "color": tint,
        }
    figure.add_scatter(
        x=x,
        y=guess,
        mode="markers",
        error_y=error,
        marker={"color": tint, "size": 7},
        showlegend=False,
    )
    figure.update_layout(xaxis_title=f"{name}: truth", yaxis_title=f"{name}: filled")
    return finish_figure(figure, 320)
