"""Arrays to figures: no Streamlit, no torch. One colour for each variant, everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

# Hues by family (after Paul Tol's colour-blind safe sets), lightness by variant.
COLOURS = {
    "vanilla": "#4477aa",
    "linear": "#77aadd",
    "stacked": "#225588",
    "overcomplete": "#99ddff",
    "conv": "#113355",
    "denoising-gaussian": "#ddaa33",
    "denoising-masking": "#997700",
    "denoising-salt-and-pepper": "#eecc66",
    "k-sparse": "#228833",
    "sparse-kl": "#66bb55",
    "sparse-l1": "#115522",
    "sparse-l2": "#aacc77",
    "contractive": "#aa3377",
    "vae": "#ee6677",
    "beta-vae": "#bb2233",
    "iwae": "#ff9988",
    "conv-vae": "#772222",
    "wae-mmd": "#cc6633",
    "vq-vae": "#44bb99",
}
CLASSES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee8866", "#117733", "#882255")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LOSS_LABEL = "loss per example"


def colour(variant: str) -> str:
    return COLOURS.get(variant, "#777777")


def live_curve(records: Sequence[Mapping[str, Any]], variant: str, total: int) -> dict[str, Any]:
    """Training and validation loss over epochs as an ECharts spec: it is updated in place while a run goes on."""
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


def curves(runs: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]], key: str = "loss") -> go.Figure:
    """Curves of several runs, {id: (variant, records)}; runs of one variant differ in dash."""
    figure, used = go.Figure(), dict[str, int]()
    for name, (variant, records) in runs.items():
        dash = DASHES[used.get(variant, 0) % len(DASHES)]
        used[variant] = used.get(variant, 0) + 1
        rows = [row for row in records if key in row]
        x, y = [row["epoch"] for row in rows], [row[key] for row in rows]
        figure.add_scatter(x=x, y=y, name=name, mode="lines+markers" if len(x) < 15 else "lines",
                           line={"color": colour(variant), "dash": dash})  # fmt: skip
    figure.update_layout(xaxis_title="epoch", yaxis_title=LOSS_LABEL)
    return finish(figure, 340)


def latent_map(
    positions: np.ndarray,
    colour_by: np.ndarray,
    *,
    names: Sequence[str] = (),
    axes: Sequence[str] = ("1", "2", "3"),
    title: str = "",
) -> go.Figure:
    """Points (N, 2 or 3) float32, coloured by class index with `names`, or else by a value."""
    kind = go.Scatter3d if positions.shape[1] == 3 else go.Scattergl
    figure = go.Figure()
    size = 2.5 if positions.shape[1] == 3 else (6 if len(positions) < 3000 else 4)
    groups = [(str(name), np.flatnonzero(colour_by == i)) for i, name in enumerate(names)] or [("", None)]
    for i, (name, rows) in enumerate(groups):
        rows = np.arange(len(positions)) if rows is None else rows
        if not len(rows):
            continue
        at = {axis: positions[rows, j].astype(np.float32) for j, axis in enumerate("xyz"[: positions.shape[1]])}
        marker = {"size": size, "opacity": 0.75}
        if names:
            marker["color"] = CLASSES[i % len(CLASSES)]
            hover = f"{name}<br>test example %{{customdata}}<extra></extra>"
        else:
            value = colour_by[rows].astype(np.float32)
            marker |= {"color": value, "colorscale": "Viridis", "colorbar": {"title": title}}
            hover = f"{title} %{{marker.color:.3g}}<br>test example %{{customdata}}<extra></extra>"
        figure.add_trace(
            kind(**at, mode="markers", name=name, marker=marker, customdata=rows.astype(np.int32), hovertemplate=hover)
        )
    figure.update_layout(showlegend=bool(names), legend={"itemsizing": "constant"}, dragmode="lasso")
    if positions.shape[1] == 3:
        figure.update_layout(scene={f"{a}axis_title": axes[j] for j, a in enumerate("xyz")}, dragmode="orbit")
    else:
        figure.update_layout(xaxis_title=axes[0], yaxis_title=axes[1])
    return finish(figure, 620)


def points_and_targets(x: np.ndarray, rebuilt: np.ndarray, labels: np.ndarray | None = None) -> go.Figure:
    """A manifold's points (N, 2 or 3) and where the model puts them."""
    figure, d = go.Figure(), x.shape[1]
    kind = go.Scatter3d if d == 3 else go.Scattergl
    for name, points, tint, opacity in (("input", x, "#999999", 0.5), ("reconstruction", rebuilt, "#ee6677", 0.9)):
        at = {axis: points[:, j].astype(np.float32) for j, axis in enumerate("xyz"[:d])}
        figure.add_trace(kind(**at, mode="markers", name=name, marker={"size": 3, "color": tint, "opacity": opacity}))
    if d == 2:
        figure.update_yaxes(scaleanchor="x")
    return finish(figure, 420)


def finish(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    return figure
