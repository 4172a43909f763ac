"""Surface: the learned curve or surface among data of two or three columns."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.analysis.manifold import reconstruction_shift
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.examples import is_point_cloud
from ui.kit.figures import get_variant_colour
from ui.kit.memory import keep_in_memory
from ui.manifold.geometry import get_point_geometry, has_countable_codes, show_run_columns
from ui.manifold.surface_chart import LearnedSurface, PointTangents, draw_surface

SURFACE_EXAMPLES = 1000  # training examples that are drawn, and that the codes' range is of
CURVE_POINTS, SURFACE_SIDE = 200, 60  # decoded codes of a curve, and along a side of a surface
NEAR_CODES = 0.06  # of the codes' range: the surface is drawn where a code is so near
ARROW_SIDE, ARROW_EXAMPLES = 14, 250  # arrows along a side in 2-D, and in 3-D


def show_surface(runs: list[Run], dataset: Dataset, x: Tensor) -> None:
    """Show each run's manifold among the data, its tangents at x, and where the model pulls."""
    if not is_point_cloud(dataset):
        st.info(
            "Only data of two or three columns can be drawn as they are. Try the runs "
            "swiss-roll-vanilla, s-curve-vae or circles-denoising.",
            icon=":material/info:",
        )
        return
    show_run_columns(runs, lambda run: show_run_surface(run, dataset, x))
    st.caption(
        "Grey: data. Coloured: what the decoder draws over the range of the codes. Diamond: the "
        "chosen input's reconstruction, with its tangents. Arrows: where the model moves points "
        "around the data, r(x) - x; a denoiser's are the slope of the log-density (Alain & Bengio, "
        "2014)."
    )


def show_run_surface(run: Run, dataset: Dataset, x: Tensor) -> None:
    """Show one run's manifold, and its tangents at x (1, features)."""
    model, point = get_model(run), get_point_geometry(run, x)
    directions = None
    if not has_countable_codes(run):
        vectors = point.frame.inputs[:, : min(2, x.shape[1] - 1)]
        directions = (vectors * model.scale[:, None]).numpy()
    figure = draw_surface(
        dataset.train.x[:SURFACE_EXAMPLES].numpy(),
        load_learned_surface(str(run.path), run.version(), dataset.name, run, dataset),
        PointTangents(point.rebuilt[0].numpy(), directions),
        get_variant_colour(model.config.variant),
    )
    st.plotly_chart(
        figure,
        key=f"surface-{run.id}",
        alt="Data, learned manifold, tangents and the pull of the model",
    )


@keep_in_memory("Drawing the surface ...")
def load_learned_surface(
    path: str, version: float, data_name: str, _run: Run, _dataset: Dataset
) -> LearnedSurface:
    """Returns what is drawn of a run's model in the data's own space."""
    model = get_model(_run)
    x = _dataset.train.x[:SURFACE_EXAMPLES]
    starts = choose_arrow_starts(x)
    arrows = reconstruction_shift(model, starts)
    return LearnedSurface(decode_sheet(model, x), starts.numpy(), arrows.numpy())


def decode_sheet(model: Autoencoder, x: Tensor) -> np.ndarray | None:
    """Returns the decoded codes over the range of those of x (N, features).

    That is a curve (n, features), or a surface (n, n, 3) with NaN where there are no codes. It is
    None for wider codes.
    """
    z = encode_in_chunks(model, x)
    low, high = z.quantile(0.01, 0), z.quantile(0.99, 0)
    if z.shape[1] == 1:
        codes = torch.linspace(0, 1, CURVE_POINTS)[:, None] * (high - low) + low
        return decode_in_chunks(model, codes).numpy()
    if z.shape[1] != 2 or x.shape[1] != 3:
        return None
    steps = torch.linspace(0, 1, SURFACE_SIDE)
    codes = torch.cartesian_prod(steps, steps) * (high - low) + low
    distances = torch.cdist((codes - low) / (high - low), (z - low) / (high - low)).amin(1)
    is_near = (distances < NEAR_CODES)[:, None]
    sheet = torch.where(is_near, decode_in_chunks(model, codes), torch.nan)
    return sheet.view(SURFACE_SIDE, SURFACE_SIDE, 3).numpy()


def choose_arrow_starts(x: Tensor) -> Tensor:
    """Returns points (m, features) around the data: a lattice in 2-D, scattered in 3-D."""
    if x.shape[1] == 2:
        margin = 0.2 * x.std(0)
        sides = [
            torch.linspace(float(low), float(high), ARROW_SIDE)
            for low, high in zip(x.amin(0) - margin, x.amax(0) + margin, strict=True)
        ]
        return torch.cartesian_prod(*sides)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(ARROW_EXAMPLES, x.shape[1], generator=generator)
    return x[:ARROW_EXAMPLES] + 0.3 * x.std(0) * noise
