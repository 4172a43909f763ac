"""Dimension: the map of the codes, coloured by the local dimension of the manifold."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import project_by_pca
from aecore.analysis.manifold import compute_decoder_jacobians, compute_local_dimensions
from aecore.data.splits import as_float
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import digest_examples, get_model
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory
from ui.manifold.charts import draw_coloured_map
from ui.manifold.geometry import show_run_columns
from ui.manifold.point import MAPPED_POINTS

JACOBIAN_CHUNK = 50  # codes whose Jacobians are held at once


def show_dimension(runs: list[Run], inputs: Inputs) -> None:
    """Show each run's map, coloured by how many directions the decoder has at each code."""
    x = as_float(inputs.x[:MAPPED_POINTS])
    show_run_columns(runs, lambda run: show_dimension_map(run, x), needs_tangents=True)
    st.caption(
        f"{len(x)} of {escape_name(inputs.name)} on the principal plane of their codes. Local "
        "dimension: "
        "(sum s²)² / sum s⁴ over the singular values s of the decoder's Jacobian."
    )


def show_dimension_map(run: Run, x: Tensor) -> None:
    """Show one run's map of inputs x (N, *input_shape)."""
    z, dimensions = load_local_dimensions(str(run.path), run.version(), digest_examples(x), run, x)
    st.plotly_chart(
        draw_coloured_map(project_by_pca(z, 2), dimensions, "local dimension"),
        key=f"dim-{run.id}",
        alt=f"Codes of {run.id} coloured by local dimension",
    )
    st.caption(
        f"Mean {dimensions.mean():.2f} of {z.shape[1]} units, "
        f"from {dimensions.min():.2f} to {dimensions.max():.2f}."
    )


@keep_in_memory("Differentiating at every point ...")
def load_local_dimensions(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes (N, latent_dim) and local dimensions (N,) of inputs."""
    model = get_model(_run)
    z = encode_in_chunks(model, _x)
    dimensions = [
        compute_local_dimensions(compute_decoder_jacobians(model, chunk))
        for chunk in z.split(JACOBIAN_CHUNK)
    ]
    return z.numpy(), torch.cat(dimensions).numpy()
