"""Interpolation: the codes on a path from one code to another, decoded."""

from __future__ import annotations

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.analysis.latent import interpolate_codes, snap_codes
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.generate.controls import choose_seed, make_control_row
from ui.generate.downloads import offer_generated
from ui.generate.samples import sample_run_codes
from ui.kit.cache import encode_cached_gif
from ui.kit.examples import choose_index, enlarge_examples, show_examples

LINE_LENGTH = 12  # tiles in one line; longer paths are broken
BROKEN_LINE_LENGTH = 8
ANIMATION_MS, MIN_FRAME_MS = 2000, 40


def show_interpolation(run: Run, model: Autoencoder, dataset: Dataset) -> None:
    """Show the decoded codes on the path between two codes."""
    row = make_control_row()
    between = row.segmented_control(
        "Between",
        ["test inputs", "samples"],
        default="test inputs",
        required=True,
        key="between",
        bind="query-params",
        help="What the two ends are.",
    )
    if between == "samples":
        end_codes, end_examples = choose_sampled_ends(run, model, row)
    else:
        end_codes, end_examples = choose_test_ends(model, dataset, row)
    path, steps = choose_path(row)
    z = snap_codes(model, interpolate_codes(end_codes[0], end_codes[1], steps, path))
    x = decode_in_chunks(model, z)
    columns = steps if steps <= LINE_LENGTH else BROKEN_LINE_LENGTH
    animation_container = st.container(width=560)
    alt = f"{steps} steps on the {path} way between two {between}, decoded"
    show_examples(dataset, model, x, alt, columns)
    animation = b""
    if x.dim() == 4:  # after the examples, since a long one takes a second
        animation = show_animation(animation_container, model, x, end_examples)
    offer_generated(run, "interpolation", dataset, model, x, z, columns, animation)


def choose_path(row: DeltaGenerator) -> tuple[str, int]:
    """Show controls for the kind of path and the number of codes on it; return both."""
    path = row.segmented_control(
        "Path",
        ["linear", "spherical"],
        default="linear",
        required=True,
        key="path_of_z",
        bind="query-params",
        help="**linear**: straight. **spherical**: along the arc, so that the length of *z* "
        "changes evenly (White, 2016); for codes with a prior.",
    )
    steps = row.slider(
        "Steps",
        2,
        64,
        12,
        key="steps",
        bind="query-params",
        width=140,
        help="Codes on the way, both ends included.",
    )
    return path, steps


def choose_sampled_ends(run: Run, model: Autoencoder, row: DeltaGenerator) -> tuple[Tensor, Tensor]:
    """Show two seeds; return two sampled codes (2, latent_dim) and what they decode to."""
    help = "The seed of the sample at this end."
    seeds = [
        choose_seed(row, "Start seed", "start_seed", 0, 130, help),
        choose_seed(row, "End seed", "end_seed", 1, 130, help),
    ]
    z = torch.cat([sample_run_codes(run, 1, seed) for seed in seeds])
    return z, decode_in_chunks(model, z)


def choose_test_ends(
    model: Autoencoder, dataset: Dataset, row: DeltaGenerator
) -> tuple[Tensor, Tensor]:
    """Show two number inputs; return the codes (2, latent_dim) of these test inputs, and them."""
    count, help = len(dataset.test.x), "The number of a test input."
    rows = [
        choose_index(row, "Start", "start", count, 0, help) or 0,
        choose_index(row, "End", "end", count, 1, help) or 0,
    ]
    x = as_float(dataset.test.x[rows])
    return encode_in_chunks(model, x), x


def show_animation(
    container: DeltaGenerator, model: Autoencoder, x: Tensor, end_examples: Tensor
) -> bytes:
    """Show the path x (N, *input_shape) as an animation between its two ends; return the GIF."""
    moving, ends = enlarge_examples(model, x), enlarge_examples(model, end_examples)
    frames = torch.cat([ends[:1].expand_as(moving), moving, ends[1:].expand_as(moving)], dim=3)
    animation = encode_cached_gif(frames, max(MIN_FRAME_MS, ANIMATION_MS // len(x)))
    container.image(
        animation,
        "Start, on the way, end",
        width="stretch",
        alt="Start, the decoded code on its way, end",
    )
    return animation
