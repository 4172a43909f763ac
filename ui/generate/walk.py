"""Walk: one dimension of a code changed at a time, and what the codes decode to."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.analysis.latent import order_dimensions, snap_codes, walk_dimension
from aecore.analysis.pictures import draw_grid
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.generate.controls import make_control_row
from ui.generate.downloads import offer_generated
from ui.kit.cache import get_codes
from ui.kit.examples import (
    ROW_TILES_NOTE,
    choose_index,
    choose_unit,
    draw_examples,
    enlarge_examples,
    is_point_cloud,
    make_example_table,
    show_cloud,
    show_example_table,
    show_image,
)

WALKED_UNITS = 8  # in the overview of the most varying dimensions
WALK_STEPS = 9
WALK_REACH = 3.0  # a walk goes so many deviations to each side
SCALE_EXAMPLES = 10_000  # test inputs behind the deviations
UNIT_HELP = "Code units, the most varying over the test inputs first."


class CodeScale(NamedTuple):
    """The dimensions of a run's codes: which vary most, and how far a walk goes along each."""

    order: list[int]  # the most varying first
    deviations: Tensor  # (latent_dim,) over the test inputs
    centre: Tensor  # (latent_dim,) of a walk
    steps: Tensor  # (latent_dim,) one deviation of a walk: 1 where there is a prior


def show_walk(run: Run, model: Autoencoder, dataset: Dataset) -> None:
    """Show what changes when one dimension of a code does."""
    scale, row = measure_code_scale(run, model), make_control_row()
    z = choose_base_code(model, dataset, scale, row)
    unit = choose_unit(row, "Dimension", "dimension", scale.order, 0, UNIT_HELP)
    offset = row.slider(
        "Value, in deviations from its mean",
        -WALK_REACH,
        WALK_REACH,
        0.0,
        0.1,
        key="offset",
        bind="query-params",
        width=260,
        help="What this dimension is set to, in standard deviations from its mean over the test "
        "inputs, or of the prior where there is one.",
    )
    value = scale.centre[unit] + offset * scale.steps[unit]
    label = f"z{unit} = {value:.3g}"
    changed = decode_in_chunks(model, snap_codes(model, walk_dimension(z, unit, value[None])))
    walk_codes = make_walk_codes(model, z, unit, scale)
    walk, before = decode_in_chunks(model, walk_codes), decode_in_chunks(model, z[None])
    if walk.dim() == 4:
        left, right = st.columns([1, 2], gap="large")
        with left:
            show_changed_picture(model, changed, before, label)
        with right:
            show_walk_lines(model, z, unit, scale, walk)
    else:
        if is_point_cloud(dataset):
            alt = f"{label}, on the way of all values of z{unit}"
            show_cloud(dataset, {"walk": walk, "now": changed}, alt)
        show_walk_lines(model, z, unit, scale, walk)
        examples = {"before": before[0], label: changed[0]}
        show_example_table(make_example_table(dataset, examples))
    offer_generated(run, f"walk-z{unit}", dataset, model, walk, walk_codes, WALK_STEPS)


def measure_code_scale(run: Run, model: Autoencoder) -> CodeScale:
    """Returns the scale of a run's codes, over its prior or over the codes of test inputs."""
    z = torch.from_numpy(get_codes(run, "test", SCALE_EXAMPLES)[0])
    order, deviations = order_dimensions(z)
    if model.config.has_prior:
        centre, steps = torch.zeros_like(deviations), torch.ones_like(deviations)
        return CodeScale(order.tolist(), deviations, centre, steps)
    return CodeScale(order.tolist(), deviations, z.mean(0), deviations)


def choose_base_code(
    model: Autoencoder, dataset: Dataset, scale: CodeScale, row: DeltaGenerator
) -> Tensor:
    """Show controls for the code that a walk changes; return it (latent_dim,)."""
    base = row.segmented_control(
        "Around",
        ["test input", "centre"],
        default="test input",
        required=True,
        key="around",
        bind="query-params",
        help="The code that is changed: that of an input, or the centre "
        "of all codes, which is 0 where the model has a prior.",
    )
    if base == "centre":
        return scale.centre
    help = "The number of a test input."
    index = choose_index(row, "Number", "base", len(dataset.test.x), 0, help) or 0
    return encode_in_chunks(model, dataset.test.x[index : index + 1])[0]


def make_walk_codes(model: Autoencoder, z: Tensor, unit: int, scale: CodeScale) -> Tensor:
    """Returns z with one dimension at evenly spread values, (WALK_STEPS, latent_dim)."""
    offsets = torch.linspace(-WALK_REACH, WALK_REACH, WALK_STEPS)
    values = scale.centre[unit] + offsets * scale.steps[unit]
    return snap_codes(model, walk_dimension(z, unit, values))


def show_changed_picture(model: Autoencoder, changed: Tensor, before: Tensor, label: str) -> None:
    """Show the picture of the changed code large, and that of the code before small."""
    show_image(draw_grid(enlarge_examples(model, changed, 2), 1), f"Decoded code, {label}", label)
    show_image(
        draw_grid(enlarge_examples(model, before), 1), "The code before, decoded", "before", 112
    )


def show_walk_lines(
    model: Autoencoder, z: Tensor, unit: int, scale: CodeScale, walk: Tensor
) -> None:
    """Show the walk (WALK_STEPS, ...) along one dimension, then along the most varying ones."""
    low, high = (scale.centre[unit] + side * WALK_REACH * scale.steps[unit] for side in (-1, 1))
    span = f"z{unit} from {low:.3g} to {high:.3g}"
    show_image(draw_examples(model, walk, WALK_STEPS), f"Decoded codes, {span}")
    text = (
        f"{span}, all else as it is; its standard deviation over the test inputs is "
        f"{scale.deviations[unit]:.3g}."
    )
    st.caption(text if walk.dim() == 4 else f"{text} {ROW_TILES_NOTE}")
    units = scale.order[:WALKED_UNITS]
    names = ", ".join(f"z{unit}" for unit in units)
    codes = torch.cat([make_walk_codes(model, z, unit, scale) for unit in units])
    show_image(
        draw_examples(model, decode_in_chunks(model, codes), WALK_STEPS),
        f"A line for each dimension: {names}",
    )
    st.caption(f"The same for the {len(units)} most varying dimensions, one in each row: {names}.")
