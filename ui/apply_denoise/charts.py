"""The figures of the Denoise page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, LINE_DASHES, finish_figure, get_baseline_colour


def draw_noise_strengths(
    curves: Mapping[str, Sequence[tuple[float, float]]], colours: Mapping[str, str], x: str
) -> go.Figure:
    """Draws PSNR by strength of noise, {denoiser: [(strength, dB), ...]}.

    Runs have their colours; filters have those of baselines, and are dashed. `x` is the title of
    the strength's axis.
    """
    figure, filters = go.Figure(), 0
    for name, points in curves.items():
        strengths, decibels = zip(*points, strict=True)
        colour = colours.get(name) or get_baseline_colour(name)
        line = {"color": colour, "width": 3 if name in colours else 2}
        if name not in colours:
            filters += 1
            line["dash"] = LINE_DASHES[filters % len(LINE_DASHES)]
        figure.add_scatter(x=strengths, y=decibels, name=name, line=line, mode="lines+markers")
    figure.update_layout(
        xaxis_title=x, yaxis_title="PSNR, dB", legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True
    )
    return finish_figure(figure, 420)
