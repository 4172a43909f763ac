"""Tangents: the directions in which a decoder moves most at a point, and the Jacobians' numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.manifold import (
    captured_energy,
    compute_image_tangents,
    estimate_local_dimension,
)
from aecore.analysis.pictures import colour_signed, draw_grid, make_tiles
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.examples import is_point_cloud, make_example_tiles, show_image
from ui.kit.figures import get_variant_colour
from ui.manifold.charts import draw_spectra
from ui.manifold.geometry import (
    PointGeometry,
    get_point_geometry,
    has_countable_codes,
    show_run_columns,
)

SHOWN_DIRECTIONS, DIRECTION_STEPS = 5, 7
MIN_TANGENT_SIDE = 8  # pixels of a picture whose shifts and turns mean something
POINT_HELP = {
    "|df/dx|": "Frobenius norm of the encoder's Jacobian: how much the code moves with the input. "
    "A contractive penalty keeps it small (Rifai et al., 2011).",
    "|dg/dz|": "Frobenius norm of the decoder's Jacobian: how much the picture moves with the "
    "code.",
    "local dimension": "(sum s²)² / sum s⁴ over the decoder's singular values s: how many share "
    "the variance.",
    "shifts and turns, %": "Share of what shifting, turning, scaling and shearing the picture "
    "changes that the tangent space holds.",
}


def show_tangents(runs: list[Run], dataset: Dataset, x: Tensor) -> None:
    """Show for each run where a point x can move without leaving the manifold."""
    reach = st.slider(
        "Distance",
        0.5,
        10.0,
        4.0,
        0.5,
        key="reach",
        bind="query-params",
        help="How far both ends of a row lie from the input, along the tangent.",
    )

    def show_walks(run: Run) -> None:
        show_tangent_walks(get_model(run), dataset, get_point_geometry(run, x), reach)

    show_run_columns(runs, show_walks, needs_tangents=True)
    show_point_table(runs, x)
    show_spectra(runs, x)


def show_tangent_walks(
    model: Autoencoder, dataset: Dataset, point: PointGeometry, reach: float
) -> None:
    """Show a line for each of the strongest directions: it, then decoded codes z + t v / s."""
    strengths = point.frame.strengths[:SHOWN_DIRECTIONS]
    spelled = ", ".join(f"{strength:.3g}" for strength in strengths)
    if is_point_cloud(dataset):
        st.caption(f"Directions of strength {spelled}: see *Surface*.")
        return
    lines = []
    for i, strength in enumerate(strengths):
        offsets = torch.linspace(-reach, reach, DIRECTION_STEPS)[:, None] / strength
        walk = decode_in_chunks(model, point.z + offsets * point.frame.codes[i])
        direction = point.frame.inputs[:, i].view(1, *point.x.shape[1:])
        tile = colour_signed(direction) if direction.dim() == 4 else make_tiles(direction)
        lines.append(torch.cat([tile, make_example_tiles(model, walk)]))
    show_image(
        draw_grid(torch.cat(lines), DIRECTION_STEPS + 1),
        f"{len(lines)} directions, and decoded codes along each",
    )
    st.caption(
        f"Each row is a direction, the strongest first (singular values {spelled}): the direction, "
        "red where pixels grow and blue where they shrink, then the input moved along it."
    )


def show_point_table(runs: list[Run], x: Tensor) -> None:
    """Show the Jacobians' norms and the dimension at the point, a row for each run."""
    rows = {run.id: measure_point(run, x) for run in runs}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
    columns = {
        name: st.column_config.NumberColumn(name, help=POINT_HELP[name], format="%.3g")
        for name in table.columns
    }
    st.dataframe(
        table, column_config=columns, alt="Norms of the Jacobians and the dimension at the point"
    )


def measure_point(run: Run, x: Tensor) -> dict[str, float]:
    """Returns the numbers of POINT_HELP that a run has at a point."""
    point = get_point_geometry(run, x)
    numbers = {"|df/dx|": point.encoder.norm().item()}
    if has_countable_codes(run):
        return numbers
    strengths = point.frame.strengths
    numbers["|dg/dz|"] = strengths.norm().item()
    numbers["local dimension"] = estimate_local_dimension(strengths).item()
    if x.dim() == 4 and min(x.shape[2:]) >= MIN_TANGENT_SIDE:
        share = captured_energy(compute_image_tangents(x), point.frame.inputs.T[None]).item()
        numbers["shifts and turns, %"] = 100 * share
    return numbers


def show_spectra(runs: list[Run], x: Tensor) -> None:
    """Show the singular values of both Jacobians, for each run."""
    lines: dict[str, np.ndarray] = {}
    colours: dict[str, str] = {}
    for run in runs:
        point = get_point_geometry(run, x)
        encoder, decoder = f"{run.id}, encoder", f"{run.id}, decoder"
        colour = get_variant_colour(run.config().model.variant)
        colours |= {encoder: colour, decoder: colour}
        lines[encoder] = point.encoder.numpy()
        if not has_countable_codes(run):
            lines[decoder] = point.frame.strengths.numpy()
    st.plotly_chart(
        draw_spectra(lines, colours),
        key="spectra",
        alt="Singular values of the Jacobians, largest first",
    )
    st.caption(
        "Singular values, the largest first. A code that follows a few directions of the data and "
        "ignores the rest falls steeply."
    )
