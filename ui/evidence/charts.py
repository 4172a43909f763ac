"""The figures of the Evidence page: the ladder of experiments, and measured curves."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, LINE_DASHES, finish_figure

VERDICT_COLOURS = {  # symbol, colour and the symbol as text: the shapes tell apart without the colours
    "moonshot": ("star", "#0077bb", "★"),
    "pass": ("circle", "#009988", "●"),
    "miss": ("x", "#cc3311", "✕"),
}


class Standing(NamedTuple):
    """Where a figure stands between its bar (0) and its moonshot (1), and where the paper's does."""

    state: str
    ours: float
    paper: float | None
    text: str  # what was measured, and the numbers behind the places


class Rung(NamedTuple):
    """An experiment in the overview; the first of its standings is the one that is drawn large."""

    verdict: str
    title: str
    aside: str
    standings: Sequence[Standing]


def draw_ladder(rungs: Sequence[Rung], dark: bool = False) -> go.Figure:
    """Experiments from the top down, right is better; what lies beyond an edge is drawn on it."""
    figure, low, high, height = go.Figure(), -0.75, 2.0, 40
    for left, right, state in ((low, 0, "miss"), (0, 1, "pass"), (1, high, "moonshot")):
        figure.add_vrect(
            left,
            right,
            fillcolor=VERDICT_COLOURS[state][1],
            opacity=0.08,
            line_width=0,
            layer="below",
        )
    for at, name in ((0, "bar"), (1, "moonshot")):
        figure.add_vline(at, line={"color": "#888888", "width": 1}, layer="below")
        figure.add_annotation(x=at, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False)
    marks: dict[str, list[tuple[float, int, int, str]]] = {
        name: [] for name in ("paper", *VERDICT_COLOURS)
    }
    for y, rung in enumerate(rungs):
        _, tint, symbol = VERDICT_COLOURS[rung.verdict]
        title = f'<span style="color:{tint}">{symbol}</span> {html.escape(rung.title)}'
        for x, side, text in ((low, "left", title), (high, "right", rung.aside)):
            figure.add_annotation(
                x=x, y=y, xanchor=side, yshift=0.4 * height, text=text, showarrow=False
            )
        if not rung.standings:
            figure.add_annotation(x=0.5, y=y, text="no moonshot", showarrow=False)
        for i, standing in enumerate(rung.standings):
            ours = min(max(standing.ours, low), high)
            marks[standing.state].append((ours, y, 8 if i else 15, standing.text))
            if standing.paper is not None and not i:
                paper = min(max(standing.paper, low), high)
                marks["paper"].append((paper, y, 12, standing.text))
                line = {"color": "#888888", "width": 2}
                figure.add_shape(
                    type="line", x0=paper, x1=ours, y0=y, y1=y, line=line, layer="below"
                )
    for name, points in marks.items():
        if points:
            x, y, size, text = zip(*points, strict=True)
            symbol, tint, _ = VERDICT_COLOURS.get(name, ("diamond-open", "#888888", ""))
            figure.add_scatter(
                x=x,
                y=y,
                mode="markers",
                name=name,
                customdata=text,
                cliponaxis=False,
                marker={"symbol": symbol, "color": tint, "size": size, "opacity": 1},
                hovertemplate="%{customdata}<extra></extra>",
            )
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(range=[low, high], **bare)
    figure.update_yaxes(range=[len(rungs) - 0.6, -0.75], **bare)
    figure.update_annotations(
        font_color="#fafafa" if dark else "#31333f"
    )  # the theme's own grey is faint on a tint
    figure.update_layout(legend=LEGEND_BELOW | {"y": 0}, showlegend=True)
    return finish_figure(figure, 80 + height * len(rungs))


def draw_evidence_curves(
    x: str, y: str, lines: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, float]
) -> go.Figure:
    """Measured curves, {name: [(x, y), ...]}, and the values of papers as broken grey lines, named below with them."""
    figure = go.Figure()
    for i, (name, points) in enumerate(lines.items()):
        if points:
            across, up = zip(*points, strict=True)
            figure.add_scatter(
                x=across, y=up, name=name, line={"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]}
            )
    ends = [point[0] for points in lines.values() for point in points]
    for i, (name, value) in enumerate(marks.items()):
        line = {"dash": LINE_DASHES[1 + i % (len(LINE_DASHES) - 1)], "color": "#888888"}
        figure.add_scatter(
            x=[min(ends), max(ends)],
            y=[value] * 2,
            name=f"{name}: {value:.4g}",
            mode="lines",
            line=line,
        )
    known = [value for points in lines.values() for _, value in points[len(points) // 20 :]] + list(
        marks.values()
    )
    low, high = min(known), max(known)  # without the first epochs, which would flatten all others
    figure.update_yaxes(title=y, range=[low - 0.05 * (high - low), high + 0.05 * (high - low)])
    figure.update_xaxes(title=x)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 380)
