"""Surface: the learned curve or surface among data of two or three columns."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.manifold import decode_sheet, reconstruction_shift
from aecore.data.splits import Dataset
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.examples import is_point_cloud
from ui.kit.figures import get_variant_colour
from ui.kit.memory import keep_in_memory
from ui.kit.surface_chart import LearnedSurface, PointTangents, draw_surface
from ui.manifold.geometry import get_point_geometry, has_countable_codes, show_run_columns

SURFACE_EXAMPLES = 1000  # training examples that are drawn, and that the codes' range is of
DRAWABLE_RUNS = ("swiss-roll-vanilla", "s-curve-vae", "circles-denoising")  # shipped ones
ARROW_SIDE, ARROW_EXAMPLES = 14, 250  # arrows along a side in 2-D, and in 3-D


def show_surface(runs: list[Run], dataset: Dataset, x: Tensor) -> None:
    """Show each run's manifold among the data, its tangents at x, and where the model pulls."""
    if not is_point_cloud(dataset):
        st.info(
            "Only data of two or three columns can be drawn as they are. Such are those of:",
            icon=":material/info:",
        )
        for run_id in DRAWABLE_RUNS:
            st.page_link(
                "manifold.py", label=run_id, query_params={"run": run_id, "mode": "Surface"}
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
