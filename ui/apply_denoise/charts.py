"""The figures of the Denoise page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, LINE_DASHES, finish_figure


def draw_noise_strengths(
    lines: Mapping[str, Sequence[tuple[float, float]]], tints: Mapping[str, str], x: str
) -> go.Figure:
    """PSNR by strength of noise, {denoiser: [(strength, dB), ...]}: runs in their colours, filters in broken grey."""
    figure, filters = go.Figure(), 0
    for name, points in lines.items():
        across, up = zip(*points, strict=True)
        line = {"color": tints.get(name, "#888888"), "width": 3 if name in tints else 2}
        if name not in tints:
            filters += 1
            line["dash"] = LINE_DASHES[filters % len(LINE_DASHES)]
        figure.add_scatter(x=across, y=up, name=name, line=line, mode="lines+markers")
    figure.update_layout(
        xaxis_title=x, yaxis_title="PSNR, dB", legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True
    )
    return finish_figure(figure, 420)
