"""Arrays to figures: no Streamlit, no torch. One colour for each variant, everywhere."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

# Hues by family (after Paul Tol's colour-blind safe sets), lightness by variant.
COLOURS = {
    "vanilla": "#4477aa",
    "linear": "#77aadd",
    "stacked": "#3366cc",
    "overcomplete": "#99ddff",
    "conv": "#7788ee",
    "denoising-gaussian": "#ddaa33",
    "denoising-masking": "#997700",
    "denoising-salt-and-pepper": "#eecc66",
    "k-sparse": "#228833",
    "sparse-kl": "#66bb55",
    "sparse-l1": "#118877",
    "sparse-l2": "#aacc77",
    "contractive": "#aa3377",
    "vae": "#ee6677",
    "beta-vae": "#bb2233",
    "iwae": "#ff9988",
    "conv-vae": "#dd77aa",
    "wae-mmd": "#cc6633",
    "vq-vae": "#44bb99",
    "fsq": "#227788",
}
CLASSES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#44aa99", "#ee8866", "#117733", "#882255")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEGEND_BELOW = {"orientation": "h", "itemsizing": "constant", "y": -0.12, "yanchor": "top"}
LOSS_LABEL = "loss per example"


def colour(variant: str) -> str:
    return COLOURS.get(variant, "#777777")


def live_curve(records: Sequence[Mapping[str, Any]], variant: str, total: int) -> dict[str, Any]:
    """Training and validation loss over epochs as an ECharts spec: it is updated in place while a run goes on."""
    records = thin(records)
    epochs = [row["epoch"] for row in records]

    def series(name: str, key: str, style: str) -> dict[str, Any]:
        points = [[e, row[key]] for e, row in zip(epochs, records, strict=True) if key in row]
        line = {"color": colour(variant), "type": style, "width": 2}
        return {"name": name, "type": "line", "data": points, "showSymbol": len(points) < 30, "lineStyle": line,
                "itemStyle": {"color": colour(variant)}, "animation": False}  # fmt: skip

    return {
        "grid": {"left": 60, "right": 20, "top": 40, "bottom": 40},
        "legend": {"top": 0},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "value", "name": "epoch", "nameLocation": "middle", "nameGap": 25,
                  "min": 1, "max": max(2, total), "minInterval": 1},
        "yAxis": {"type": "value", "name": LOSS_LABEL, "scale": True},
        "series": [series("training", "loss", "solid"), series("validation", "validation_loss", "dashed")],
    }  # fmt: skip


def thin(records: Sequence[Mapping[str, Any]], most: int = 500) -> Sequence[Mapping[str, Any]]:
    """Evenly spaced records, the last among them: more points than pixels only cost time."""
    step = -(-len(records) // most) or 1
    return [*records[:-1:step], *records[-1:]]


def curves(runs: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]], key: str, log: bool) -> go.Figure:
    """Curves of several runs, {id: (variant, records)}; runs of one variant differ in dash.

    The names stand below, so that a narrow screen leaves the curves their width.
    """
    figure, used = go.Figure(), dict[str, int]()
    for name, (variant, records) in runs.items():
        dash = DASHES[used.get(variant, 0) % len(DASHES)]
        used[variant] = used.get(variant, 0) + 1
        rows = thin([row for row in records if key in row])
        x, y = [row["epoch"] for row in rows], [row[key] for row in rows]
        figure.add_scatter(x=x, y=y, name=name, mode="lines+markers" if len(x) < 15 else "lines",
                           line={"color": colour(variant), "dash": dash})  # fmt: skip
    figure.update_layout(xaxis_title="epoch", yaxis_title=LOSS_LABEL, showlegend=True, hovermode="x unified")
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "x": 0})
    figure.update_yaxes(type="log" if log else "linear")
    return finish(figure, 360 + 22 * len(runs))


VERDICTS = {  # symbol, colour and the symbol as text: the shapes tell apart without the colours
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


def ladder(rungs: Sequence[Rung], dark: bool = False) -> go.Figure:
    """Experiments from the top down, right is better; what lies beyond an edge is drawn on it."""
    figure, low, high, height = go.Figure(), -0.75, 2.0, 40
    for left, right, state in ((low, 0, "miss"), (0, 1, "pass"), (1, high, "moonshot")):
        figure.add_vrect(left, right, fillcolor=VERDICTS[state][1], opacity=0.08, line_width=0, layer="below")
    for at, name in ((0, "bar"), (1, "moonshot")):
        figure.add_vline(at, line={"color": "#888888", "width": 1}, layer="below")
        figure.add_annotation(x=at, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False)
    marks: dict[str, list[tuple[float, int, int, str]]] = {name: [] for name in ("paper", *VERDICTS)}
    for y, rung in enumerate(rungs):
        _, tint, symbol = VERDICTS[rung.verdict]
        title = f'<span style="color:{tint}">{symbol}</span> {html.escape(rung.title)}'
        for x, side, text in ((low, "left", title), (high, "right", rung.aside)):
            figure.add_annotation(x=x, y=y, xanchor=side, yshift=0.4 * height, text=text, showarrow=False)
        if not rung.standings:
            figure.add_annotation(x=0.5, y=y, text="no moonshot", showarrow=False)
        for i, standing in enumerate(rung.standings):
            ours = min(max(standing.ours, low), high)
            marks[standing.state].append((ours, y, 8 if i else 15, standing.text))
            if standing.paper is not None and not i:
                paper = min(max(standing.paper, low), high)
                marks["paper"].append((paper, y, 12, standing.text))
                line = {"color": "#888888", "width": 2}
                figure.add_shape(type="line", x0=paper, x1=ours, y0=y, y1=y, line=line, layer="below")
    for name, points in marks.items():
        if points:
            x, y, size, text = zip(*points, strict=True)
            symbol, tint, _ = VERDICTS.get(name, ("diamond-open", "#888888", ""))
            figure.add_scatter(x=x, y=y, mode="markers", name=name, customdata=text, cliponaxis=False,
                               marker={"symbol": symbol, "color": tint, "size": size, "opacity": 1},
                               hovertemplate="%{customdata}<extra></extra>")  # fmt: skip
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(range=[low, high], **bare)
    figure.update_yaxes(range=[len(rungs) - 0.6, -0.75], **bare)
    figure.update_annotations(font_color="#fafafa" if dark else "#31333f")  # the theme's own grey is faint on a tint
    figure.update_layout(legend=LEGEND_BELOW | {"y": 0}, showlegend=True)
    return finish(figure, 80 + height * len(rungs))


def evidence_curves(
    x: str, y: str, lines: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, float]
) -> go.Figure:
    """Measured curves, {name: [(x, y), ...]}, and the values of papers as broken grey lines, named below with them."""
    figure = go.Figure()
    for i, (name, points) in enumerate(lines.items()):
        if points:
            across, up = zip(*points, strict=True)
            figure.add_scatter(x=across, y=up, name=name, line={"color": CLASSES[i % len(CLASSES)]})
    ends = [point[0] for points in lines.values() for point in points]
    for i, (name, value) in enumerate(marks.items()):
        line = {"dash": DASHES[1 + i % (len(DASHES) - 1)], "color": "#888888"}
        figure.add_scatter(
            x=[min(ends), max(ends)], y=[value] * 2, name=f"{name}: {value:.4g}", mode="lines", line=line
        )
    known = [value for points in lines.values() for _, value in points[len(points) // 20 :]] + list(marks.values())
    low, high = min(known), max(known)  # without the first epochs, which would flatten all others
    figure.update_yaxes(title=y, range=[low - 0.05 * (high - low), high + 0.05 * (high - low)])
    figure.update_xaxes(title=x)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish(figure, 380)


def ink(background: str) -> str:
    """Black or white, whichever reads better on a colour #rrggbb."""
    red, green, blue = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def latent_map(
    positions: np.ndarray,
    errors: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    by_error: bool = False,
    axes: Sequence[str] = ("1", "2", "3"),
) -> go.Figure:
    """Points (N, 2 or 3), a trace for each group {class: its rows}, coloured by class or by error (N,).

    Everything is float32 or smaller, so that 60,000 points are about a megabyte in the browser.
    """
    d, figure = positions.shape[1], go.Figure()
    kind = go.Scatter3d if d == 3 else go.Scattergl
    size = 2.5 if d == 3 else 7 if len(positions) < 3000 else 5 if len(positions) < 20_000 else 3
    for i, (name, rows) in enumerate(groups.items()):
        at = {axis: positions[rows, j].astype(np.float32) for j, axis in enumerate("xyz"[:d])}
        tint = {"color": errors[rows].astype(np.float32), "coloraxis": "coloraxis"}
        marker = {"size": size, "opacity": 0.75, **(tint if by_error else {"color": CLASSES[i % len(CLASSES)]})}
        about = np.stack([rows, errors[rows]], axis=1).astype(np.float32)
        hover = f"{name}<br>input %{{customdata[0]:.0f}}<br>squared error %{{customdata[1]:.3g}}<extra></extra>"
        figure.add_trace(kind(**at, mode="markers", name=name, marker=marker, customdata=about, hovertemplate=hover))
    figure.update_layout(showlegend=len(groups) > 1 and not by_error, legend=LEGEND_BELOW)
    if by_error:
        bar = {"title": "squared error", "orientation": "h", "y": -0.12, "yanchor": "top", "thickness": 12}
        low, high = (float(np.quantile(errors, q)) for q in (0.01, 0.99))  # a few outliers would grey out the rest
        figure.update_layout(coloraxis={"colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar})
    if d == 3:
        titles = {f"{a}axis_title": axes[j] for j, a in enumerate("xyz")}
        figure.update_layout(scene={**titles, "camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.0}}})
    else:
        figure.update_layout(xaxis_title=axes[0], yaxis_title=axes[1])
    return finish(figure, 600)


def code_bars(code: np.ndarray, tint: str) -> go.Figure:
    """One code z (latent_dim,), a bar a dimension."""
    figure = go.Figure(go.Bar(y=code.astype(np.float32), marker={"color": tint, "line": {"width": 0}},
                              hovertemplate="z%{x} = %{y:.3g}<extra></extra>"))  # fmt: skip
    ticks = {"title": "dimension of z", **({"dtick": 1} if len(code) <= 12 else {})}
    figure.update_layout(xaxis=ticks, bargap=0.1, showlegend=False)
    return finish(figure, 170)


def cloud(groups: Mapping[str, np.ndarray], tints: Sequence[str] = CLASSES) -> go.Figure:
    """Named groups of points (N, 2 or 3): the first grey and small, as the ground for the others; a lone one large."""
    figure = go.Figure()
    for i, (name, points) in enumerate(groups.items()):
        d = points.shape[1]
        kind = go.Scatter3d if d == 3 else go.Scattergl
        at = {axis: points[:, j].astype(np.float32) for j, axis in enumerate("xyz"[:d])}
        look = {"size": 4, "color": tints[i]} if i else {"size": 2, "color": "#999999", "opacity": 0.5}
        look |= {"size": 10 if d == 2 else 6, "symbol": "diamond"} if i and len(points) == 1 else {}
        figure.add_trace(kind(**at, mode="markers", name=name, marker=look))
        if d == 2:
            figure.update_yaxes(scaleanchor="x")
    figure.update_layout(legend=LEGEND_BELOW)
    return finish(figure, 420)


def finish(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    return figure
