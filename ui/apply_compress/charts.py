"""The figures of the Compress page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aecore.tasks.photo_curves import PhotoPoint
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
    figure.add_scatter(
        x=[current.bits],
        y=[current.se],
        name="this file",
        mode="markers",
        marker=mark_current(colours),
    )
    figure.update_xaxes(title=f"bits per {unit}", **make_decade_axis())
    figure.update_yaxes(title="squared error", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 440)


PHOTO_MEASURES = {"psnr": "PSNR in dB", "ms_ssim": "MS-SSIM"}  # fields of PhotoPoint


def draw_photo_curves(
    curves: Mapping[str, Sequence[PhotoPoint]], current: PhotoPoint, colours: Mapping[str, str]
) -> go.Figure:
    """Draws PSNR and MS-SSIM over bits per pixel for each coder, the current file as a diamond.

    Coders that are no runs have the colours of baselines; the diamond has the first colour.
    """
    figure = make_subplots(cols=2, subplot_titles=list(PHOTO_MEASURES.values()))
    for column, field in enumerate(PHOTO_MEASURES, 1):
        for i, (name, points) in enumerate(curves.items()):
            ordered = sorted(points, key=lambda point: point.bits)
            figure.add_scatter(
                x=[point.bits for point in ordered],
                y=[getattr(point, field) for point in ordered],
                customdata=[point.setting for point in ordered],
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                mode="lines+markers",
                line={
                    "color": colours.get(name) or get_baseline_colour(name),
                    "width": 2 + (name in colours),
                    "dash": LINE_DASHES[i % len(LINE_DASHES)],
                },
                hovertemplate="%{x:.3f} bits per pixel<br>%{y:.4g}"
                "<br>setting %{customdata}<extra></extra>",
                row=1,
                col=column,
            )
        figure.add_scatter(
            x=[current.bits],
            y=[getattr(current, field)],
            name="this file",
            mode="markers",
            marker=mark_current(colours),
            showlegend=column == 1,
            legendgroup="this file",
            row=1,
            col=column,
        )
    figure.update_xaxes(title="bits per pixel", type="log")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish_figure(figure, 440)


def mark_current(colours: Mapping[str, str]) -> dict[str, object]:
    """Returns the marker of the file in use: a diamond of the first colour."""
    return {
        "symbol": "diamond",
        "size": 14,
        "color": next(iter(colours.values())),
        "line": {"width": 2},
    }
