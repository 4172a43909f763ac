"""The neighbourhood of one input in a run's model: its code, its Jacobians, its tangents."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.analysis.manifold import (
    JacobianFrame,
    compute_decoder_jacobians,
    compute_encoder_jacobians,
    decompose_jacobian,
)
from aecore.runs.run import Run
from ui.kit.cache import digest_examples, get_model
from ui.kit.memory import ExamplesKey, keep_in_memory
from ui.kit.runs import format_run_title

COUNTABLE_NOTE = (
    "The codes of this run are countable: between two of them there is nothing, so its manifold is "
    "a set of points and has no tangents."
)


class PointGeometry(NamedTuple):
    """The code of one input, and the derivatives of a run's model there."""

    x: Tensor  # (1, *input_shape)
    z: Tensor  # (1, latent_dim)
    rebuilt: Tensor  # (1, *input_shape)
    encoder: Tensor  # singular values of df/dx
    frame: JacobianFrame  # of dg/dz


def get_point_geometry(run: Run, x: Tensor) -> PointGeometry:
    """Returns the geometry of a run's model at one input x (1, *input_shape)."""
    return load_point_geometry(str(run.path), run.version(), digest_examples(x), run, x)


@keep_in_memory("Differentiating ...")
def load_point_geometry(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> PointGeometry:
    """Returns the geometry at an input, which `digest` identifies."""
    model = get_model(_run)
    z = encode_in_chunks(model, _x)
    encoder = torch.linalg.svdvals(compute_encoder_jacobians(model, _x)[0])
    frame = decompose_jacobian(compute_decoder_jacobians(model, z)[0])
    return PointGeometry(_x.clone(), z, decode_in_chunks(model, z), encoder, frame)


def has_countable_codes(run: Run) -> bool:
    """Returns True where the bottleneck is discrete, so that the decoder has no derivative."""
    return get_model(run).bottleneck.levels is not None


def show_run_columns(
    runs: list[Run], show: Callable[[Run], None], needs_tangents: bool = False
) -> None:
    """Show a column for each run: its name, then what `show(run)` shows.

    With `needs_tangents`, a run of countable codes has a note instead.
    """
    for run, column in zip(runs, st.columns(len(runs), gap="large"), strict=True):
        with column:
            st.markdown(format_run_title(run))
            if needs_tangents and has_countable_codes(run):
                st.info(COUNTABLE_NOTE, icon=":material/grid_on:")
            else:
                show(run)
