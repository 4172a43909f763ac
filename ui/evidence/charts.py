"""The figures of the Evidence page: the ladder of experiments, and measured curves."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import plotly.graph_objects as go

from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, LINE_DASHES, finish_figure

VERDICT_STYLES = {  # symbol, colour, and the symbol as text: they differ without the colours
    "moonshot": ("star", "#0077bb", "★"),
    "pass": ("circle", "#009988", "●"),
    "miss": ("x", "#cc3311", "✕"),
}
VERDICT_NAMES = {"moonshot": "stretch goal", "pass": "pass", "miss": "miss"}  # that are shown
PAPER_STYLE = ("diamond-open", "#888888", "")
SCALE_RANGE = (-0.75, 2.0)  # that is drawn; the threshold is at 0, the stretch goal at 1
ROW_HEIGHT = 54  # pixels of an experiment: a title of two lines above its marks
TITLE_SHIFT = 6  # pixels from the middle of the marks up to the title
LINE_LETTERS = 30  # of a line, which ends before the threshold
FIRST_FIGURE_SIZE, FIGURE_SIZE, PAPER_SIZE = 15, 8, 12  # pixels of the marks


class ScaledFigure(NamedTuple):
    """A measured figure on the scale from its bar (0) to its moonshot (1), and the paper's."""

    state: str
    ours: float
    paper: float | None
    text: str  # what was measured, and the numbers behind the positions


class VerdictRow(NamedTuple):
    """An experiment in the overview; the first of its figures is drawn large."""

    verdict: str
    title: str
    detail: str  # on the right
    figures: Sequence[ScaledFigure]


class FigureMark(NamedTuple):
    """A figure as it is drawn."""

    x: float
    y: int
    size: int
    text: str


def draw_verdicts(rows: Sequence[VerdictRow]) -> go.Figure:
    """Draws experiments from the top down; right is better, and what lies beyond is on the edge."""
    figure = go.Figure()
    shade_verdicts(figure)
    for y, row in enumerate(rows):
        add_row_texts(figure, row, y)
    for name, marks in collect_marks(rows).items():
        if marks:
            add_marks(figure, name, marks)
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(range=list(SCALE_RANGE), **bare)
    figure.update_yaxes(range=[len(rows) - 0.6, -0.75], **bare)
    figure.update_layout(legend=LEGEND_BELOW | {"y": 0}, showlegend=True)
    return finish_figure(figure, 80 + ROW_HEIGHT * len(rows))


def shade_verdicts(figure: go.Figure) -> None:
    """Add the tints of the verdicts, and the lines of bar and moonshot between them."""
    low, high = SCALE_RANGE
    for left, right, state in ((low, 0, "miss"), (0, 1, "pass"), (1, high, "moonshot")):
        figure.add_vrect(
            left,
            right,
            fillcolor=VERDICT_STYLES[state][1],
            opacity=0.08,
            line_width=0,
            layer="below",
        )
    for x, name in ((0, "threshold"), (1, "stretch goal")):
        figure.add_vline(x, line={"color": "#888888", "width": 1}, layer="below")
        figure.add_annotation(x=x, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False)


def add_row_texts(figure: go.Figure, row: VerdictRow, y: int) -> None:
    """Add the title and the detail of an experiment, and a line from the paper's figure to ours."""
    low, high = SCALE_RANGE
    _, colour, symbol = VERDICT_STYLES[row.verdict]
    lines = "<br>".join(map(html.escape, wrap(row.title, LINE_LETTERS)))
    title = f'<span style="color:{colour}">{symbol}</span> {lines}'
    for x, side, text in ((low, "left", title), (high, "right", row.detail)):
        figure.add_annotation(
            x=x,
            y=y,
            xanchor=side,
            yanchor="bottom",
            yshift=TITLE_SHIFT,
            align=side,
            text=text,
            showarrow=False,
        )
    if not row.figures:
        figure.add_annotation(x=0.5, y=y, text="no stretch goal", showarrow=False)
        return
    first = row.figures[0]
    if first.paper is not None:
        figure.add_shape(
            type="line",
            x0=clip_to_scale(first.paper),
            x1=clip_to_scale(first.ours),
            y0=y,
            y1=y,
            line={"color": "#888888", "width": 2},
            layer="below",
        )


def collect_marks(rows: Sequence[VerdictRow]) -> dict[str, list[FigureMark]]:
    """Returns the marks of all figures by their state, and those of papers."""
    marks: dict[str, list[FigureMark]] = {name: [] for name in ("paper", *VERDICT_STYLES)}
    for y, row in enumerate(rows):
        for i, scaled in enumerate(row.figures):
            size = FIGURE_SIZE if i else FIRST_FIGURE_SIZE
            ours = FigureMark(clip_to_scale(scaled.ours), y, size, scaled.text)
            marks[scaled.state].append(ours)
            if scaled.paper is not None and i == 0:
                paper = FigureMark(clip_to_scale(scaled.paper), y, PAPER_SIZE, scaled.text)
                marks["paper"].append(paper)
    return marks


def clip_to_scale(value: float) -> float:
    """Returns a value within the range that is drawn."""
    low, high = SCALE_RANGE
    return min(max(value, low), high)


def add_marks(figure: go.Figure, name: str, marks: Sequence[FigureMark]) -> None:
    """Add marks of one state to the figure, with their texts on hover."""
    symbol, colour, _ = VERDICT_STYLES.get(name, PAPER_STYLE)
    figure.add_scatter(
        x=[mark.x for mark in marks],
        y=[mark.y for mark in marks],
        mode="markers",
        name=VERDICT_NAMES.get(name, name),
        customdata=[mark.text for mark in marks],
        cliponaxis=False,
        marker={
            "symbol": symbol,
            "color": colour,
            "size": [mark.size for mark in marks],
            "opacity": 1,
        },
        hovertemplate="%{customdata}<extra></extra>",
    )


def draw_evidence_curves(
    x: str, y: str, lines: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, float]
) -> go.Figure:
    """Draws measured curves, {name: [(x, y), ...]}, and the values of papers as dashed grey lines.

    `x` and `y` are the titles of the axes.
    """
    figure = go.Figure()
    for i, (name, points) in enumerate(lines.items()):
        if points:
            xs, ys = zip(*points, strict=True)
            figure.add_scatter(
                x=xs, y=ys, name=name, line={"color": CLASS_COLOURS[i % len(CLASS_COLOURS)]}
            )
    all_x = [point[0] for points in lines.values() for point in points]
    for i, (name, value) in enumerate(marks.items()):
        figure.add_scatter(
            x=[min(all_x), max(all_x)],
            y=[value] * 2,
            name=f"{name}: {value:.4g}",
            mode="lines",
            line={"dash": LINE_DASHES[1 + i % (len(LINE_DASHES) - 1)], "color": "#888888"},
        )
    low, high = find_curve_range(lines, marks)
    figure.update_yaxes(title=y, range=[low - 0.05 * (high - low), high + 0.05 * (high - low)])
    figure.update_xaxes(title=x)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 380)


def find_curve_range(
    lines: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, float]
) -> tuple[float, float]:
    """Returns the least and the largest value, without first epochs, which would flatten others."""
    values = [value for points in lines.values() for _, value in points[len(points) // 20 :]]
    values += marks.values()
    return min(values), max(values)
