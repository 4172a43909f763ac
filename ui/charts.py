"""Arrays to the figures of the task pages: no Streamlit, no torch; colours and sizes are those of ui.figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ui.figures import CLASSES, DASHES, LEGEND_BELOW, colour, finish


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


def sweep(lines: Mapping[str, Sequence[tuple[int, float, float]]], tints: Mapping[str, str], y: str) -> go.Figure:
    """A metric over the size of the code, (size, mean, deviation) of each variant, with its deviation as a bar."""
    figure = go.Figure()
    for name, points in lines.items():
        sizes, means, deviations = zip(*points, strict=True)
        bars = {"type": "data", "array": deviations, "thickness": 1.5, "width": 6}
        figure.add_scatter(x=sizes, y=means, name=name, mode="lines+markers", error_y=bars,
                           line={"color": tints[name]}, marker={"size": 8})  # fmt: skip
    ticks = sorted({size for points in lines.values() for size, _, _ in points})
    figure.update_xaxes(title="size of the code", type="log", tickvals=ticks, ticktext=ticks)
    figure.update_yaxes(title=y)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.3}, hovermode="x unified")
    return finish(figure, 340)


def shortened(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"
