"""What the figures of several pages share: colours, axes, and the charts that two pages draw.

Arrays to figures: no Streamlit, no torch. A variant has one colour everywhere.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import plotly.graph_objects as go

from aecore.model.variants import VARIANTS
from aecore.names import clean_name

CLASS_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#44aa99",
    "#ee8866",
    "#7755dd",
    "#882255",
)
BASELINE_COLOURS = {  # of what runs are compared with, by the word that a name begins with
    "pca": "#7755dd",
    "jpeg": "#009e9e",
    "webp": "#c04fc0",
    "avif": "#888888",
    "noisy": "#888888",
    "median": "#009e9e",
    "non-local": "#c04fc0",
    "best": "#7755dd",
    "raw": "#8a7a5c",
}
LINE_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEGEND_BELOW = {"orientation": "h", "itemsizing": "constant", "y": -0.12, "yanchor": "top"}
READABLE_TEXT = {"minsize": 9, "mode": "hide"}  # on bars; what is narrower has its axis alone
LOSS_LABEL = "loss per example"

SVG_POINTS = 5000  # of a chart, above which it needs WebGL to move

Record = TypeVar("Record")
UNKNOWN_COLOUR = "#777777"  # of a variant that is not in VARIANTS


def get_variant_colour(variant: str) -> str:
    """Returns the colour #rrggbb of a variant, grey for one that is unknown here."""
    return VARIANTS[variant].colour if variant in VARIANTS else UNKNOWN_COLOUR


def get_baseline_colour(name: str) -> str:
    """Returns the colour #rrggbb of a method that is no variant, grey for one unknown here."""
    first = name.lower().replace(",", " ").split()
    return BASELINE_COLOURS.get(first[0] if first else "", UNKNOWN_COLOUR)


def choose_text_colour(background: str) -> str:
    """Returns black or white, whichever reads better on a colour #rrggbb."""
    red, green, blue = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def escape_label(name: str) -> str:
    """Returns a name as Plotly shows it as it is: it makes links and lines of some HTML."""
    return html.escape(clean_name(name), quote=False)


def format_figure(value: float) -> str:
    """Returns a number with four significant digits, zeros among them: `0.3200`, `6425`."""
    return f"{value:#.4g}".removesuffix(".")


def shorten_label(name: str, limit: int = 24) -> str:
    """Returns a name of at most `limit` characters, with an ellipsis where it was cut."""
    return name if len(name) <= limit else f"{name[: limit - 1]}\u2026"


def thin_records(records: Sequence[Record], limit: int = 500) -> Sequence[Record]:
    """Returns evenly spaced records, the last among them; more points than pixels cost time."""
    step = -(-len(records) // limit) or 1
    return [*records[:-1:step], *records[-1:]]


# -- layout


def make_decade_axis(digits: Sequence[int] = (1, 2, 5)) -> dict[str, Any]:
    """Returns a log axis with a label at 1, 2 and 5 of each power of ten, all in one size."""
    ticks = [float(f"{digit}e{exponent}") for exponent in range(-6, 9) for digit in digits]
    texts = [f"{tick:g}" if tick < 1e5 else f"{tick:.0e}" for tick in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts}


def finish_figure(figure: go.Figure, height: int) -> go.Figure:
    """Sets the height in pixels and the narrow margins of every figure, and returns it.

    The names of traces and of categories become text; titles and texts on hover take
    `escape_label` where they hold a name.
    """
    for trace in figure.data:
        if trace.name:
            trace.name = escape_label(trace.name)
        for axis in ("x", "y"):
            values = getattr(trace, axis, None)
            if values is not None and len(values) and isinstance(values[0], str):
                trace[axis] = [escape_label(value) for value in values]
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    return figure


def scale_axes_alike(figure: go.Figure) -> None:
    """Gives both axes one scale, in ranges that do not grow when a page is resized."""
    figure.update_xaxes(constrain="domain")
    figure.update_yaxes(scaleanchor="x", constrain="domain")


def choose_scatter(count: int, dims: int = 2) -> type[go.Scatter | go.Scattergl | go.Scatter3d]:
    """Returns the trace for `count` points; only many need WebGL, which some browsers lack."""
    if dims == 3:
        return go.Scatter3d
    return go.Scattergl if count > SVG_POINTS else go.Scatter


# -- charts of several pages


def draw_grouped_bars(
    names: Sequence[str], series: Mapping[str, Sequence[float]], y: str, x: str = ""
) -> go.Figure:
    """Draws bars side by side, {series: a height for each name}, with their values on top."""
    figure = go.Figure()
    for i, (name, heights) in enumerate(series.items()):
        figure.add_bar(
            x=list(names),
            y=list(heights),
            name=name,
            marker={"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]},
            text=[f"{height:#.3g}".rstrip(".") for height in heights],  # all are equally wide
            textposition="outside",
            cliponaxis=False,
        )
    figure.update_layout(barmode="group", yaxis_title=y, xaxis_title=x, showlegend=len(series) > 1)
    figure.update_layout(legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"})
    figure.update_layout(uniformtext=READABLE_TEXT)
    return finish_figure(figure, 380)


def draw_small_map(positions: np.ndarray, groups: Mapping[str, np.ndarray]) -> go.Figure:
    """Draws points (N, 2) without axes, a trace for each group {class: its rows}."""
    figure = go.Figure()
    for i, (name, rows) in enumerate(groups.items()):
        points = positions[rows].astype(np.float32)
        figure.add_trace(
            choose_scatter(len(positions))(
                x=points[:, 0],
                y=points[:, 1],
                mode="markers",
                name=name,
                hoverinfo="name",
                marker={"size": 5, "opacity": 0.75, "color": CLASS_COLOURS[i % 10]},
            )
        )
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.02}, showlegend=len(groups) > 1)
    return finish_figure(figure, 380)


def draw_cloud(
    groups: Mapping[str, np.ndarray], colours: Sequence[str] = CLASS_COLOURS
) -> go.Figure:
    """Draws named groups of points (N, 2 or 3) in one space.

    The first group is small and grey, the ground for the others; a group of one point is large.
    """
    figure = go.Figure()
    for i, (name, points) in enumerate(groups.items()):
        dims = points.shape[1]
        trace = choose_scatter(sum(map(len, groups.values())), dims)
        axes = {axis: points[:, j].astype(np.float32) for j, axis in enumerate("xyz"[:dims])}
        marker = style_cloud_marker(len(points), dims, colours[i] if i else None)
        figure.add_trace(trace(**axes, mode="markers", name=name, marker=marker))
        if dims == 2:
            scale_axes_alike(figure)
    figure.update_layout(legend=LEGEND_BELOW)
    return finish_figure(figure, 420)


def style_cloud_marker(count: int, dims: int, colour: str | None) -> dict[str, Any]:
    """Returns the marker of a group of `count` points; no colour is the ground's."""
    if colour is None:
        return {"size": 2, "color": "#999999", "opacity": 0.5}
    if count == 1:
        return {"size": 10 if dims == 2 else 6, "color": colour, "symbol": "diamond"}
    return {"size": 4, "color": colour}
