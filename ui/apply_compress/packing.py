"""Packing: codes as a file of real bits, its size, and what it opens to."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from torch import Tensor

from aecore.analysis.codebook_metrics import has_learned_prior
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from aecore.tasks.compress import compress_examples, expand_file
from aecore.tasks.rate_distortion import RatePoint, measure_rate_point, to_scaled_inputs
from aecore.tasks.rate_files import codes_any_size, codes_bits
from ui.apply_compress.opening import show_file_opener
from ui.apply_compress.rate_curves import OWN_STEP_HELP, list_step_choices, show_rate_curves
from ui.kit.cache import digest_examples, get_model
from ui.kit.examples import ROW_TILES_NOTE, draw_pairs, is_point_cloud, show_cloud, show_image
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

EXAMPLE_COUNTS = (16, 64, 256, 1000)
SHOWN_PAIRS = 32
SIZE_METRIC_WIDTH = 145  # pixels: five of them stand in a row
SHORT_BYTES = 10_000  # more are given in kB
STEP_HELP = (
    "How coarsely the codes are rounded: each unit so that rounding it moves a reconstruction by "
    "about so much, in the network's units. Larger steps make smaller files."
)


class PackedFile(NamedTuple):
    """A file of codes, what it opens to, and its bits and error."""

    file: bytes
    opened: Tensor  # (N, *input_shape)
    point: RatePoint


def show_packing(run: Run, dataset: Dataset, inputs: Inputs) -> None:
    """Show a file of codes, what it opens to beside the originals, and its rate-distortion."""
    model = get_model(run)
    count, step = choose_packing(model)
    x = as_float(inputs.x[:count])
    packed = pack_examples(run, step, x)
    show_sizes(x, packed)
    if has_learned_prior(model):
        st.caption("The indices of the code are coded under the model's learned prior.")
    left, right = st.columns([2, 1], gap="large")
    with left:
        show_before_and_after(model, dataset, x[:SHOWN_PAIRS], packed.opened[:SHOWN_PAIRS])
    with right:
        st.download_button(
            "Compressed file",
            packed.file,
            f"{run.id}.aez",
            "application/octet-stream",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            key="take_file",
            help="Opens again on this page, with this run.",
        )
        show_file_opener(run, dataset)
    show_rate_curves(run, dataset, x, packed.point)


def choose_packing(model: Autoencoder) -> tuple[int, float]:
    """Show sliders for the number of examples and the step of rounding; return both."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    count = row.select_slider(
        "Examples",
        EXAMPLE_COUNTS,
        choose_first_count(model),
        key="packed",  # "count" is of pages with other counts
        bind="query-params",
        width=220,
        format_func=lambda count: f"{count:,}",
        help="How many of the first inputs go into one file.",
    )
    is_own = codes_bits(model)  # steps of its own: others are multiples of them
    step = row.select_slider(
        "Step",
        list_step_choices(model),
        1.0 if is_own else 0.5,
        key="own_step" if is_own else "step",
        bind="query-params",
        width=260,
        help=OWN_STEP_HELP if is_own else STEP_HELP,
        disabled=model.bottleneck.levels is not None,
    )
    return count, step


def choose_first_count(model: Autoencoder) -> int:
    """Returns how many examples a file holds at first: few where pictures or networks are large."""
    return 16 if codes_any_size(model) or model.config.network.is_pretrained else 256


def pack_examples(run: Run, step: float, x: Tensor) -> PackedFile:
    """Returns examples x (N, *input_shape) as a file whose codes are rounded to `step`."""
    return load_packed_file(str(run.path), run.version(), step, digest_examples(x), run, x)


@keep_in_memory("Compressing ...")
def load_packed_file(
    path: str, version: float, step: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> PackedFile:
    """Returns the file of examples, which `digest` identifies."""
    model = get_model(_run)
    file = compress_examples(model, _x, step)
    opened = expand_file(model, file)
    point = measure_rate_point(
        step, file, to_scaled_inputs(model, _x), to_scaled_inputs(model, opened)
    )
    return PackedFile(file, opened, point)


def show_before_and_after(model: Autoencoder, dataset: Dataset, x: Tensor, opened: Tensor) -> None:
    """Show the originals, each line above what the file opens to."""
    if is_point_cloud(dataset):
        show_cloud(dataset, {"input": x, "opened": opened}, "Inputs, and what the file opens to")
        return
    show_image(draw_pairs(model, x, opened), "Inputs, each line above what the file opens to")
    st.caption(
        "Inputs, each line above what the file opens to."
        + ("" if x.dim() == 4 else f" {ROW_TILES_NOTE}")
    )


def show_sizes(x: Tensor, packed: PackedFile) -> None:
    """Show the bytes of the file of x, its bits per example and per value, and its error."""
    is_picture, size = x.dim() == 4, len(packed.file)
    raw_size = x.numel() * (1 if is_picture else 4)
    row = st.container(horizontal=True)
    row.metric(
        "File",
        format_bytes(size),
        width=SIZE_METRIC_WIDTH,
        help="Everything that is needed besides the run itself.",
    )
    row.metric(
        "Smaller by",
        f"{raw_size / size:,.1f} times",
        width=SIZE_METRIC_WIDTH,
        help=f"Than {format_bytes(raw_size)}: "
        f"{'a byte per pixel' if is_picture else 'four bytes per cell'}.",
    )
    row.metric("Bits per example", f"{8 * size / len(x):,.0f}", width=SIZE_METRIC_WIDTH)
    row.metric(
        "Bits per pixel" if is_picture else "Bits per cell",
        f"{packed.point.bits:.3g}",
        width=SIZE_METRIC_WIDTH,
    )
    row.metric(
        "Squared error",
        f"{packed.point.se:.3g}",
        width=SIZE_METRIC_WIDTH,
        help="In the network's units, summed over values, mean over examples. Lower is better.",
    )


def format_bytes(count: int) -> str:
    """Returns a number of bytes with its unit."""
    return f"{count:,} bytes" if count < SHORT_BYTES else f"{count / 1000:,.1f} kB"
