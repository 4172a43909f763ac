"""Noise: a point moved off the manifold, and how far each model brings it back."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.analysis.manifold import draw_orthogonal_noise
from aecore.data.splits import Dataset
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.examples import draw_pairs, is_point_cloud, show_image
from ui.kit.figures import draw_cloud
from ui.manifold.geometry import get_point_geometry, has_countable_codes, show_run_columns

NOISY_VERSIONS = 6
NOISE_GROUND_POINTS = 1000  # training examples behind a cloud


class NoiseSettings(NamedTuple):
    """The settings of the controls."""

    sigma: float  # in the network's units
    off_manifold: bool  # without the part in the tangent space
    seed: int


class NoisyPoint(NamedTuple):
    """Noisy versions of a reconstruction, and their reconstructions."""

    point: Tensor  # (1, *input_shape), on the manifold
    noisy: Tensor  # (NOISY_VERSIONS, *input_shape)
    rebuilt: Tensor  # (NOISY_VERSIONS, *input_shape)
    distance_before: Tensor  # (), mean over the versions, in the network's units
    distance_after: Tensor


def show_noise(runs: list[Run], dataset: Dataset, x: Tensor) -> None:
    """Show noisy versions of a point, and how far each run brings them back."""
    settings = show_noise_settings()
    show_run_columns(runs, lambda run: show_noisy_point(run, dataset, x, settings))
    st.caption(
        "Each noisy version above, what the model makes of it below. The point is the input's "
        "reconstruction, which lies on the manifold."
    )


def show_noise_settings() -> NoiseSettings:
    """Show the controls of the noise."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    sigma = row.slider(
        "Noise",
        0.05,
        1.0,
        0.3,
        0.05,
        key="sigma",
        bind="query-params",
        width=240,
        help="Deviation of the noise in each value, in the network's units.",
    )
    direction = row.segmented_control(
        "Which way",
        ["everywhere", "off the manifold"],
        default="off the manifold",
        required=True,
        key="way",
        bind="query-params",
        help="*Off the manifold*: without what lies in the tangent space.",
    )
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120)
    return NoiseSettings(sigma, direction == "off the manifold", int(seed or 0))


def show_noisy_point(run: Run, dataset: Dataset, x: Tensor, settings: NoiseSettings) -> None:
    """Show noisy versions of a point, one run's reconstructions, and their distances."""
    moved = add_noise_at_point(run, x, settings)
    if is_point_cloud(dataset):
        show_noise_cloud(run, dataset, moved)
    else:
        show_image(
            draw_pairs(get_model(run), moved.noisy, moved.rebuilt, NOISY_VERSIONS),
            "Noisy, above what the model makes of it",
        )
    st.metric(
        "Brought back by",
        f"{1 - moved.distance_after / moved.distance_before:.0%}",
        width=200,
        help=f"Distance to the point: {moved.distance_before:.3g} before, "
        f"{moved.distance_after:.3g} after.",
    )


def add_noise_at_point(run: Run, x: Tensor, settings: NoiseSettings) -> NoisyPoint:
    """Returns noisy versions of the reconstruction of x, and what the run makes of them."""
    model, point = get_model(run), get_point_geometry(run, x)
    tangents = torch.zeros(x[0].numel(), 1)
    if settings.off_manifold and not has_countable_codes(run):
        tangents = point.frame.inputs
    zeros = torch.zeros(NOISY_VERSIONS, x[0].numel())
    noise = draw_orthogonal_noise(zeros, tangents, settings.sigma, settings.seed)
    noisy = point.rebuilt + noise.view(NOISY_VERSIONS, *x.shape[1:]) * model.scale
    rebuilt = reconstruct_in_chunks(model, noisy)
    before, after = (
        ((part - point.rebuilt) / model.scale).flatten(1).norm(dim=1).mean()
        for part in (noisy, rebuilt)
    )
    return NoisyPoint(point.rebuilt, noisy, rebuilt, before, after)


def show_noise_cloud(run: Run, dataset: Dataset, moved: NoisyPoint) -> None:
    """Show the point, its noisy versions and their reconstructions among the training data."""
    groups = {"noisy": moved.noisy, "brought back": moved.rebuilt, "the point": moved.point}
    ground = {"training data": dataset.train.x[:NOISE_GROUND_POINTS].numpy()}
    st.plotly_chart(
        draw_cloud(ground | {name: x.numpy() for name, x in groups.items()}),
        key=f"noise-{run.id}",
        alt=", ".join(groups),
    )
