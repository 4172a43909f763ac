"""The figures of the Features page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import (
    LEGEND_BELOW,
    finish_figure,
    get_baseline_colour,
    get_variant_colour,
    make_decade_axis,
)

MIN_DRAWN_SIZE = 64  # components of PCA that are drawn, if there are so many
LEAST_PCA_SHARE = 0.002  # of PCA's largest error, below which its line is not drawn


class SizedRun(NamedTuple):
    """A run as a point: the size of its code and its error."""

    id: str
    variant: str
    size: int
    error: float


def draw_size_against_error(curve: np.ndarray, runs: Sequence[SizedRun]) -> go.Figure:
    """Draws PCA's error by its number of components, which is the index, and runs as points."""
    limit = max([*(run.size for run in runs), MIN_DRAWN_SIZE])
    least = LEAST_PCA_SHARE * float(curve[0])
    sizes = [size for size in range(1, len(curve)) if size <= limit and curve[size] > least]
    figure = go.Figure(
        go.Scatter(
            x=sizes,
            y=[curve[size] for size in sizes],
            mode="lines",
            name="PCA",
            line={"color": get_baseline_colour("PCA"), "width": 3},
        )
    )
    for run in runs:
        figure.add_scatter(
            x=[run.size],
            y=[run.error],
            mode="markers",
            name=run.id,
            marker={"size": 12, "color": get_variant_colour(run.variant)},
            hovertemplate=f"%{{fullData.name}}<br>{run.size} units<br>squared error {run.error:.3g}"
            "<extra></extra>",
        )
    figure.update_xaxes(title="size of the code", **make_decade_axis())
    figure.update_yaxes(title="squared error", **make_decade_axis())
    above = {"y": 1.02, "yanchor": "bottom"}  # below, it would cover the title of the axis
    figure.update_layout(legend=LEGEND_BELOW | above, showlegend=True)
    return finish_figure(figure, 460)
