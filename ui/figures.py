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
CLASSES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee8866", "#117733", "#882255")
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


def strengths(lines: Mapping[str, Sequence[tuple[float, float]]], tints: Mapping[str, str], x: str) -> go.Figure:
    """PSNR by strength of noise, {denoiser: [(strength, dB), ...]}: runs in their colours, filters in broken grey."""
    figure, filters = go.Figure(), 0
    for name, points in lines.items():
        across, up = zip(*points, strict=True)
        line = {"color": tints.get(name, "#888888"), "width": 3 if name in tints else 2}
        if name not in tints:
            filters += 1
            line["dash"] = DASHES[filters % len(DASHES)]
        figure.add_scatter(x=across, y=up, name=name, line=line, mode="lines+markers")
    figure.update_layout(xaxis_title=x, yaxis_title="PSNR, dB", legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish(figure, 420)


def rate_distortion(lines: Mapping[str, Sequence[Any]], now: Any, tints: Mapping[str, str], unit: str) -> go.Figure:
    """Squared error over bits, {coder: points with .bits, .se and .setting}; `now` is the point that is in use."""
    figure = go.Figure()
    for i, (name, points) in enumerate(lines.items()):
        at = sorted(points, key=lambda point: point.bits)
        line = {"color": tints.get(name, "#888888"), "width": 2 + (name in tints), "dash": DASHES[i % len(DASHES)]}
        hover = f"%{{x:.3g}} bits a {unit}<br>squared error %{{y:.3g}}<br>setting %{{customdata}}<extra></extra>"
        figure.add_scatter(x=[p.bits for p in at], y=[p.se for p in at], customdata=[p.setting for p in at], name=name,
                           mode="lines+markers", line=line, hovertemplate=hover)  # fmt: skip
    mark = {"symbol": "diamond", "size": 14, "color": next(iter(tints.values())), "line": {"width": 2}}
    figure.add_scatter(x=[now.bits], y=[now.se], name="this file", mode="markers", marker=mark)
    figure.update_xaxes(title=f"bits a {unit}", **decades())
    figure.update_yaxes(title="squared error", **decades())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish(figure, 440)


def decades(named: Sequence[int] = (1, 2, 5)) -> dict[str, Any]:
    """A log axis that names 1, 2 and 5 of each power of ten, all in one size."""
    ticks = [float(f"{m}e{e}") for e in range(-6, 9) for m in named]
    texts = [f"{tick:g}" if tick < 1e5 else f"{tick:.0e}" for tick in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts}


def grouped_bars(names: Sequence[str], series: Mapping[str, Sequence[float]], y: str, x: str = "") -> go.Figure:
    """Bars side by side, {series: a height for each name}, with their values on top."""
    figure = go.Figure()
    for i, (name, heights) in enumerate(series.items()):
        figure.add_bar(x=list(names), y=list(heights), name=name, marker={"color": CLASSES[i % len(CLASSES)]},
                       text=[f"{h:.3g}" for h in heights], textposition="outside", cliponaxis=False)  # fmt: skip
    figure.update_layout(barmode="group", yaxis_title=y, xaxis_title=x, showlegend=len(series) > 1)
    figure.update_layout(legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"})
    return finish(figure, 380)


def bars(values: Mapping[str, float], tints: Mapping[str, str], y: str) -> go.Figure:
    """A bar for each name, grey unless it has a colour, with its value on top."""
    figure = go.Figure(go.Bar(x=list(values), y=list(values.values()), text=[f"{v:.3g}" for v in values.values()],
                              textposition="outside", cliponaxis=False,
                              marker={"color": [tints.get(name, "#9aa0a6") for name in values]}))  # fmt: skip
    figure.update_layout(yaxis_title=y, showlegend=False)
    return finish(figure, 340)


def truth(
    x: np.ndarray, guess: np.ndarray, ends: tuple[np.ndarray, np.ndarray] | None, name: str, tint: str
) -> go.Figure:  # fmt: skip
    """Fillings (N,) over the truth (N,), with intervals where there are such, and the line where both are equal."""
    figure = go.Figure()
    low, high = float(min(x.min(), guess.min())), float(max(x.max(), guess.max()))
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": "#888888", "dash": "dash"},
                       hoverinfo="skip", showlegend=False)  # fmt: skip
    error = None
    if ends is not None:
        above, below = np.maximum(ends[1] - guess, 0), np.maximum(guess - ends[0], 0)
        error = {"type": "data", "array": above, "arrayminus": below, "thickness": 1, "width": 0, "color": tint}
    figure.add_scatter(x=x, y=guess, mode="markers", error_y=error, marker={"color": tint, "size": 7},
                       showlegend=False)  # fmt: skip
    figure.update_layout(xaxis_title=f"{name}: truth", yaxis_title=f"{name}: filled")
    return finish(figure, 320)


def small_map(positions: np.ndarray, groups: Mapping[str, np.ndarray]) -> go.Figure:
    """Points (N, 2) without axes, a trace for each group {class: its rows}."""
    figure = go.Figure()
    for i, (name, rows) in enumerate(groups.items()):
        at = positions[rows].astype(np.float32)
        figure.add_trace(go.Scattergl(x=at[:, 0], y=at[:, 1], mode="markers", name=name, hoverinfo="name",
                                      marker={"size": 5, "opacity": 0.75, "color": CLASSES[i % 10]}))  # fmt: skip
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.02}, showlegend=len(groups) > 1)
    return finish(figure, 380)


def size_against_error(curve: np.ndarray, runs: Sequence[tuple[str, str, int, float]]) -> go.Figure:
    """PCA's error by its number of components (index), and runs (id, variant, size of the code, error)."""
    most = max([*(size for _, _, size, _ in runs), 64])
    sizes = [n for n in range(1, len(curve)) if n <= most and curve[n] > 1e-9]
    figure = go.Figure(go.Scatter(x=sizes, y=[curve[n] for n in sizes], mode="lines", name="PCA",
                                  line={"color": "#888888", "width": 3}))  # fmt: skip
    for name, variant, size, error in runs:
        mark, hover = {"size": 12, "color": colour(variant)}, f"{name}<br>{size} units<br>squared error {error:.3g}"
        figure.add_scatter(x=[size], y=[error], mode="markers", name=name, marker=mark,
                           hovertemplate=f"{hover}<extra></extra>")  # fmt: skip
    figure.update_xaxes(title="size of the code", **decades())
    figure.update_yaxes(title="squared error", **decades())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish(figure, 460)


def spectra(lines: Mapping[str, np.ndarray], tints: Mapping[str, str]) -> go.Figure:
    """Singular values (k,) of each Jacobian on a log axis: encoders broken, decoders whole."""
    figure = go.Figure()
    for name, values in lines.items():
        values = values[values > 1e-6 * values.max(initial=1e-12)]
        line = {"color": tints[name], "dash": "dash" if name.endswith("encoder") else "solid", "width": 2}
        mode = "lines" if len(values) > 40 else "lines+markers"
        figure.add_scatter(x=np.arange(1, len(values) + 1), y=values, name=name, mode=mode, line=line)
    figure.update_xaxes(title="number of the direction")
    figure.update_yaxes(title="singular value", **decades())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish(figure, 380)


def coloured_map(positions: np.ndarray, values: np.ndarray, name: str) -> go.Figure:
    """Points (N, 2) coloured by a value (N,)."""
    bar = {"title": name, "orientation": "h", "y": -0.05, "yanchor": "top", "thickness": 12}
    marker = {"size": 7, "color": values, "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    figure = go.Figure(go.Scattergl(x=positions[:, 0], y=positions[:, 1], mode="markers", marker=marker, text=values,
                                    hovertemplate=f"{name} %{{text:.2f}}<extra></extra>"))  # fmt: skip
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    return finish(figure, 440)


def manifold(
    x: np.ndarray, sheet: np.ndarray | None, points: np.ndarray, arrows: np.ndarray, at: np.ndarray,
    tangents: np.ndarray | None, tint: str,
) -> go.Figure:  # fmt: skip
    """Data (N, 2 or 3), the decoded curve or surface, arrows (M, d) at points (M, d), tangents (d, k) at a point."""
    figure, d = go.Figure(), x.shape[1]
    kind = go.Scatter3d if d == 3 else go.Scatter

    def axes(values: np.ndarray) -> dict[str, np.ndarray]:
        return {axis: values[..., i].astype(np.float32) for i, axis in enumerate("xyz"[:d])}

    figure.add_trace(
        kind(**axes(x), mode="markers", name="data", marker={"size": 2 if d == 3 else 4, "color": "#999999"})
    )
    if sheet is not None and sheet.ndim == 3:
        figure.add_trace(go.Surface(**axes(sheet), opacity=0.55, showscale=False, colorscale=[[0, tint], [1, tint]],
                                    name="surface", showlegend=True))  # fmt: skip
    elif sheet is not None:
        figure.add_trace(kind(**axes(sheet), mode="lines", name="curve", line={"color": tint, "width": 5}))
    line = {axis: np.stack([points[:, i], points[:, i] + arrows[:, i], np.full(len(points), np.nan)], 1).ravel()
            for i, axis in enumerate("xyz"[:d])}  # fmt: skip
    figure.add_trace(kind(**line, mode="lines", name="pull", line={"color": "#ccbb44", "width": 3 if d == 3 else 1.5}))
    tips = {"color": "#ccbb44", "size": 2 if d == 3 else 4}
    figure.add_trace(kind(**axes(points + arrows), mode="markers", marker=tips, showlegend=False, hoverinfo="skip"))
    if d == 2:
        figure.update_yaxes(scaleanchor="x")
    if tangents is not None:
        size = 0.25 * float(np.ptp(x, axis=0).max())
        directions = tangents / np.linalg.norm(tangents, axis=0) * size
        corners = [at - directions[:, 0], at + directions[:, 0]]
        if d == 3 and directions.shape[1] == 2:
            a, b = directions.T
            plane = np.stack([at - a - b, at + a - b, at + a + b, at - a + b])
            figure.add_trace(go.Mesh3d(**axes(plane), i=[0, 0], j=[1, 2], k=[2, 3], color="#228833", opacity=0.6,
                                       name="tangents", showlegend=True))  # fmt: skip
        else:
            figure.add_trace(kind(**axes(np.stack(corners)), mode="lines", name="tangent",
                                  line={"color": "#228833", "width": 5}))  # fmt: skip
    mark = {"symbol": "diamond", "size": 6 if d == 3 else 12, "color": "#228833"}
    figure.add_trace(kind(**axes(at[None]), mode="markers", name="the point", marker=mark))
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.05}, showlegend=True)
    return finish(figure, 560)


def class_dots(lines: Mapping[str, Mapping[str, float]], y: str, x: str) -> go.Figure:
    """Shares by class, {way: {class: share}}: a dot a way, of a shape of its own, over each class."""
    figure = go.Figure()
    symbols = ("circle", "diamond", "x", "square", "cross")
    for i, (name, shares) in enumerate(lines.items()):
        marker = {"size": 10, "symbol": symbols[i % len(symbols)], "color": CLASSES[i % len(CLASSES)]}
        hover = f"%{{x}}: %{{y:.3g}}<extra>{html.escape(name)}</extra>"
        figure.add_scatter(x=[shortened(kind) for kind in shares], y=list(shares.values()), name=name, mode="markers",
                           marker=marker, hovertemplate=hover)  # fmt: skip
    figure.update_xaxes(title=x, type="category")
    figure.update_yaxes(title=y)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.2}, showlegend=True)
    return finish(figure, 340)


NORMAL, ANOMALOUS = CLASSES[0], CLASSES[1]


def score_histogram(groups: Mapping[str, np.ndarray], threshold: float) -> go.Figure:
    """Scores of named groups (N,), each as shares of its own, on a log axis; alarms are right of the threshold."""
    known = np.concatenate([np.asarray(scores, np.float64) for scores in groups.values()])
    floor = max(known[known > 0].min(initial=1.0), known.max() * 1e-6, 1e-12)
    bins = int(np.clip(2 * np.sqrt(len(known)), 8, 50))
    edges = np.geomspace(floor, max(known.max(), floor * 1.01), bins + 1)
    figure = go.Figure()
    for (name, scores), tint in zip(groups.items(), (NORMAL, ANOMALOUS), strict=False):
        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        share = 100 * counts / max(1, len(scores))
        x, y = np.repeat(edges, 2), np.concatenate([[0], np.repeat(share, 2), [0]])
        figure.add_scatter(x=x, y=y, name=f"{name}, {len(scores):,}", mode="lines", fill="tozeroy",
                           line={"color": tint, "width": 1.5}, hovertemplate="%{y:.3g} %<extra></extra>")  # fmt: skip
    if threshold > 0:
        figure.add_vline(threshold, line={"color": "#888888", "dash": "dash", "width": 2})
        figure.add_annotation(x=np.log10(threshold), y=1, yref="paper", yanchor="bottom", showarrow=False,
                              text=f"threshold {threshold:.3g}")  # fmt: skip
    figure.update_xaxes(
        title="score: squared residual, in scaled units", **decades((1, 2, 5) if edges[-1] < 2000 * edges[0] else (1,))
    )
    figure.update_yaxes(title="share of the group, %", rangemode="tozero")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish(figure, 340)


def rate_curve(x: np.ndarray, y: np.ndarray, now: tuple[float, float], axes: tuple[str, str],
               chance: tuple[tuple[float, float], tuple[float, float]]) -> go.Figure:  # fmt: skip
    """A curve of shares over shares, the point that is in use, and the broken line that guessing gives."""
    figure = go.Figure()
    (x0, y0), (x1, y1) = chance
    figure.add_scatter(x=[x0, x1], y=[y0, y1], name="guessing", mode="lines", line={"color": "#888888", "dash": "dot"})
    figure.add_scatter(x=x, y=y, name="every threshold", mode="lines", line={"color": NORMAL, "width": 2.5})
    mark = {"symbol": "diamond", "size": 13, "color": ANOMALOUS}
    figure.add_scatter(x=[now[0]], y=[now[1]], name="this threshold", mode="markers", marker=mark, cliponaxis=False)
    figure.update_xaxes(title=axes[0], range=[-0.01, 1.01])
    figure.update_yaxes(title=axes[1], range=[0, 1.02])
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.22}, showlegend=True)
    return finish(figure, 340)


def residual_bars(columns: Sequence[str], residuals: np.ndarray, about: Sequence[str]) -> go.Figure:
    """Residuals of columns in deviations, from the top down: blue too low, red too high."""
    tints = ["#b2182b" if value > 0 else "#2166ac" for value in residuals]
    figure = go.Figure(go.Bar(x=residuals, y=[shortened(name) for name in columns], orientation="h", customdata=about,
                              marker={"color": tints}, hovertemplate="%{customdata}<extra></extra>"))  # fmt: skip
    figure.update_xaxes(title="deviations from what was expected")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return finish(figure, 80 + 24 * len(columns))


def shortened(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"
