"""The figures of the Compress page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from aecore.tasks.rate_distortion import RatePoint
from ui.kit.figures import (
    LEGEND_BELOW,
    LINE_DASHES,
    finish_figure,
    get_baseline_colour,
    make_decade_axis,
)


def draw_rate_distortion(
    curves: Mapping[str, Sequence[RatePoint]],
    current: RatePoint,
    colours: Mapping[str, str],
    unit: str,
) -> go.Figure:
    """Draws squared error over bits per unit for each coder, and the current file as a diamond.

    Coders that are no runs have the colours of baselines; the diamond has the first colour.
    """
    figure = go.Figure()
    for i, (name, points) in enumerate(curves.items()):
        ordered = sorted(points, key=lambda point: point.bits)
        figure.add_scatter(
            x=[point.bits for point in ordered],
            y=[point.se for point in ordered],
            customdata=[point.setting for point in ordered],
            name=name,
            mode="lines+markers",
            line={
                "color": colours.get(name) or get_baseline_colour(name),
                "width": 2 + (name in colours),
                "dash": LINE_DASHES[i % len(LINE_DASHES)],
            },
            hovertemplate=f"%{{x:.3g}} bits per {unit}<br>squared error %{{y:.3g}}"
            "<br>setting %{customdata}<extra></extra>",
        )
    marker = {
        "symbol": "diamond",
        "size": 14,
        "color": next(iter(colours.values())),
        "line": {"width": 2},
    }
    figure.add_scatter(
        x=[current.bits], y=[current.se], name="this file", mode="markers", marker=marker
    )
    figure.update_xaxes(title=f"bits per {unit}", **make_decade_axis())
    figure.update_yaxes(title="squared error", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 440)
