"""The figures of the Compress page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, LINE_DASHES, finish_figure, make_decade_axis


def draw_rate_distortion(
    lines: Mapping[str, Sequence[Any]], now: Any, tints: Mapping[str, str], unit: str
) -> go.Figure:
    """Squared error over bits, {coder: points with .bits, .se and .setting}; `now` is the point that is in use."""
    figure = go.Figure()
    for i, (name, points) in enumerate(lines.items()):
        at = sorted(points, key=lambda point: point.bits)
        line = {
            "color": tints.get(name, "#888888"),
            "width": 2 + (name in tints),
            "dash": LINE_DASHES[i % len(LINE_DASHES)],
        }
        hover = f"%{{x:.3g}} bits a {unit}<br>squared error %{{y:.3g}}<br>setting %{{customdata}}<extra></extra>"
        figure.add_scatter(
            x=[p.bits for p in at],
            y=[p.se for p in at],
            customdata=[p.setting for p in at],
            name=name,
            mode="lines+markers",
            line=line,
            hovertemplate=hover,
        )
    mark = {
        "symbol": "diamond",
        "size": 14,
        "color": next(iter(tints.values())),
        "line": {"width": 2},
    }
    figure.add_scatter(x=[now.bits], y=[now.se], name="this file", mode="markers", marker=mark)
    figure.update_xaxes(title=f"bits a {unit}", **make_decade_axis())
    figure.update_yaxes(title="squared error", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 440)
