"""The figures of the Manifold page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ui.kit.figures import LEGEND_BELOW, finish_figure, make_decade_axis


def draw_spectra(lines: Mapping[str, np.ndarray], tints: Mapping[str, str]) -> go.Figure:
    """Singular values (k,) of each Jacobian on a log axis: encoders broken, decoders whole."""
    figure = go.Figure()
    for name, values in lines.items():
        values = values[values > 1e-6 * values.max(initial=1e-12)]
        line = {
            "color": tints[name],
            "dash": "dash" if name.endswith("encoder") else "solid",
            "width": 2,
        }
        mode = "lines" if len(values) > 40 else "lines+markers"
        figure.add_scatter(
            x=np.arange(1, len(values) + 1), y=values, name=name, mode=mode, line=line
        )
    figure.update_xaxes(title="number of the direction")
    figure.update_yaxes(title="singular value", **make_decade_axis())
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.25}, showlegend=True)
    return finish_figure(figure, 380)


def draw_coloured_map(positions: np.ndarray, values: np.ndarray, name: str) -> go.Figure:
    """Points (N, 2) coloured by a value (N,)."""
    bar = {"title": name, "orientation": "h", "y": -0.05, "yanchor": "top", "thickness": 12}
    marker = {
        "size": 7,
        "color": values,
        "colorscale": "Viridis",
        "showscale": True,
        "colorbar": bar,
    }
    figure = go.Figure(
        go.Scattergl(
            x=positions[:, 0],
            y=positions[:, 1],
            mode="markers",
            marker=marker,
            text=values,
            hovertemplate=f"{name} %{{text:.2f}}<extra></extra>",
        )
    )
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    return finish_figure(figure, 440)


def draw_manifold(
    x: np.ndarray,
    sheet: np.ndarray | None,
    points: np.ndarray,
    arrows: np.ndarray,
    at: np.ndarray,
    tangents: np.ndarray | None,
    tint: str,
) -> go.Figure:
    """Data (N, 2 or 3), the decoded curve or surface, arrows (M, d) at points (M, d), tangents (d, k) at a point."""
    figure, d = go.Figure(), x.shape[1]
    kind = go.Scatter3d if d == 3 else go.Scatter

    def axes(values: np.ndarray) -> dict[str, np.ndarray]:
        return {axis: values[..., i].astype(np.float32) for i, axis in enumerate("xyz"[:d])}

    figure.add_trace(
        kind(
            **axes(x),
            mode="markers",
            name="data",
            marker={"size": 2 if d == 3 else 4, "color": "#999999"},
        )
    )
    if sheet is not None and sheet.ndim == 3:
        figure.add_trace(
            go.Surface(
                **axes(sheet),
                opacity=0.55,
                showscale=False,
                colorscale=[[0, tint], [1, tint]],
                name="surface",
                showlegend=True,
            )
        )
    elif sheet is not None:
        figure.add_trace(
            kind(**axes(sheet), mode="lines", name="curve", line={"color": tint, "width": 5})
        )
    line = {
        axis: np.stack(
            [points[:, i], points[:, i] + arrows[:, i], np.full(len(points), np.nan)], 1
        ).ravel()
        for i, axis in enumerate("xyz"[:d])
    }
    figure.add_trace(
        kind(
            **line,
            mode="lines",
            name="pull",
            line={"color": "#ccbb44", "width": 3 if d == 3 else 1.5},
        )
    )
    tips = {"color": "#ccbb44", "size": 2 if d == 3 else 4}
    figure.add_trace(
        kind(
            **axes(points + arrows), mode="markers", marker=tips, showlegend=False, hoverinfo="skip"
        )
    )
    if d == 2:
        figure.update_yaxes(scaleanchor="x")
    if tangents is not None:
        size = 0.25 * float(np.ptp(x, axis=0).max())
        directions = tangents / np.linalg.norm(tangents, axis=0) * size
        corners = [at - directions[:, 0], at + directions[:, 0]]
        if d == 3 and directions.shape[1] == 2:
            a, b = directions.T
            plane = np.stack([at - a - b, at + a - b, at + a + b, at - a + b])
            figure.add_trace(
                go.Mesh3d(
                    **axes(plane),
                    i=[0, 0],
                    j=[1, 2],
                    k=[2, 3],
                    color="#228833",
                    opacity=0.6,
                    name="tangents",
                    showlegend=True,
                )
            )
        else:
            figure.add_trace(
                kind(
                    **axes(np.stack(corners)),
                    mode="lines",
                    name="tangent",
                    line={"color": "#228833", "width": 5},
                )
            )
    mark = {"symbol": "diamond", "size": 6 if d == 3 else 12, "color": "#228833"}
    figure.add_trace(kind(**axes(at[None]), mode="markers", name="the point", marker=mark))
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.05}, showlegend=True)
    return finish_figure(figure, 560)
