"""What the Compress page is made of: a file of codes and what it opens to, and its rate-distortion curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.analysis.pictures import draw_grid, encode_png, to_rgb_bytes
from aecore.data.splits import Dataset, as_float
from aecore.errors import AecoreError
from aecore.runs.run import Run
from aecore.runs.uploads import PACKED_SUFFIXES
from aecore.tasks.compress import (
    compress_examples,
    expand_file,
)
from aecore.tasks.rate_distortion import (
    RatePoint,
    measure_image_codec_curve,
    measure_pca_curve,
    measure_rate_curve,
    measure_rate_point,
    to_scaled_inputs,
)
from ui.apply_compress.charts import draw_rate_distortion
from ui.kit.cache import digest_examples, get_model
from ui.kit.examples import ROW_TILES_NOTE, draw_pairs, encode_npz, is_point_cloud, show_cloud
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs, fill_with_means
from ui.kit.messages import show_error
from ui.kit.uploader import ask_for_files

STEP_CHOICES = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0)
CODEC_QUALITIES = (1, 10, 30, 50, 75, 90)
PICTURE_COUNTS = (16, 64, 256, 1000)
CURVE_PICTURES = 100  # behind the curves of JPEG and WebP: each is a file of its own
PCA_PICTURES = 20_000  # training examples behind PCA
SHOWN_PAIRS = 32
PAIR_WIDTH = 160  # pixels of a metric
STEP_HELP = (
    "How coarsely the codes are rounded: each unit so that rounding it moves a reconstruction by about so much, in "
    "the network's units. Larger steps make smaller files."
)


class PackedFile(NamedTuple):
    """A file and what it opens to."""

    file: bytes
    opened: Tensor  # (N, *input_shape)
    point: RatePoint


def show_packing(run: Run, found: Dataset, inputs: Inputs) -> None:
    """Choose how finely; see what the file opens to, beside the originals, and take it along."""
    net = get_model(run)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    count = row.select_slider(
        "Examples",
        PICTURE_COUNTS,
        256,
        key="count",
        bind="query-params",
        width=220,
        format_func=lambda n: f"{n:,}",
        help="The first so many go into one file.",
    )
    step = row.select_slider(
        "Step",
        STEP_CHOICES,
        0.5,
        key="step",
        bind="query-params",
        width=260,
        help=STEP_HELP,
        disabled=net.bottleneck.levels is not None,
    )
    x = as_float(inputs.x[:count])
    made = pack_examples(run, step, x)
    show_sizes(net, x, made)
    left, right = st.columns([2, 1], gap="large")
    with left:
        show_before_and_after(net, found, x[:SHOWN_PAIRS], made.opened[:SHOWN_PAIRS])
    with right:
        st.download_button(
            "Compressed file",
            made.file,
            f"{run.id}.aez",
            "application/octet-stream",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            key="take_file",
            help="Opens again on this page, with this run.",
        )
        st.markdown(
            "**Open a file**", help="A file that this page made opens to exactly what was shown."
        )
        show_reopen(run, found)
    show_rate_curves(run, found, x, made.point)


def pack_examples(run: Run, step: float, x: Tensor) -> PackedFile:
    return load_packed_file(str(run.path), run.version(), step, digest_examples(x), run, x)


@st.cache_resource(max_entries=16, show_spinner="Compressing ...")
def load_packed_file(
    path: str, version: float, step: float, examples: str, _run: Run, _x: Tensor
) -> PackedFile:
    net = get_model(_run)
    file = compress_examples(net, _x, step)
    opened = expand_file(net, file)
    point = measure_rate_point(step, file, to_scaled_inputs(net, _x), to_scaled_inputs(net, opened))
    return PackedFile(file, opened, point)


def show_before_and_after(net: object, found: Dataset, x: Tensor, opened: Tensor) -> None:
    """Originals above what the file opens to."""
    if is_point_cloud(found):
        show_cloud(found, {"input": x, "opened": opened}, "Inputs, and what the file opens to")
        return
    st.image(
        draw_pairs(net, x, opened),
        width="stretch",
        alt="Inputs, each line above what the file opens to",
    )
    st.caption(
        "Inputs, each line above what the file opens to."
        + ("" if x.dim() == 4 else f" {ROW_TILES_NOTE}")
    )


def show_sizes(net: object, x: Tensor, made: PackedFile) -> None:
    """Bytes, bits, and what they cost."""
    raw = x.numel() * (1 if x.dim() == 4 else 4)
    row = st.container(horizontal=True)
    row.metric(
        "File",
        format_bytes(len(made.file)),
        width=PAIR_WIDTH,
        help="Everything that is needed besides the run itself.",
    )
    row.metric(
        "Smaller by",
        f"{raw / len(made.file):,.1f} times",
        width=PAIR_WIDTH,
        help=f"Than {format_bytes(raw)}: {'a byte a pixel' if x.dim() == 4 else 'four bytes a cell'}.",
    )
    row.metric("An example", f"{8 * len(made.file) / len(x):,.0f} bits", width=PAIR_WIDTH)
    row.metric(
        "A pixel" if x.dim() == 4 else "A cell", f"{made.point.bits:.3g} bits", width=PAIR_WIDTH
    )
    row.metric(
        "Squared error",
        f"{made.point.se:.3g}",
        width=PAIR_WIDTH,
        help="In the network's units, summed over values, mean over examples. Lower is better.",
    )


def format_bytes(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.1f} kB"


def show_reopen(run: Run, found: Dataset) -> None:
    """A file from the visitor's disk, opened with this run."""
    try:
        if one := ask_for_files((PACKED_SUFFIXES,), "A .aez file of this run"):
            st.session_state["packed_file"] = one.source.read_bytes()
            one.delete()
        if (file := st.session_state.get("packed_file")) is None:
            return
        net = get_model(run)
        x = expand_file(net, file)
    except AecoreError as error:
        st.session_state.pop("packed_file", None)
        show_error(error)
        return
    st.caption(f"It holds {len(x):,} examples.")
    if x.dim() == 4:
        picture = encode_png(draw_grid(x[:64], 8))
        st.image(
            picture,
            width="stretch",
            alt=f"{min(len(x), 64)} of {len(x):,} examples of the opened file",
        )
        st.download_button(
            "NPZ",
            lambda: encode_npz(x=to_rgb_bytes(x)),
            "opened.npz",
            "application/zip",
            on_click="ignore",
            icon=":material/data_array:",
            help="All as `x`, bytes.",
        )
    else:
        frame = pd.DataFrame(x.numpy(), columns=list(found.columns) or None)
        st.dataframe(frame.head(50), alt="Rows of the opened file")
        st.download_button(
            "CSV",
            lambda: frame.to_csv(index=False),
            "opened.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/table:",
        )


# -- the curve


def show_rate_curves(run: Run, found: Dataset, x: Tensor, now: RatePoint) -> None:
    """Bits against error: this run, PCA through the same coder, JPEG and WebP."""
    st.subheader("Bits against error", anchor=False)
    net = get_model(run)
    lines = load_rate_curves(
        str(run.path), run.version(), found.name, digest_examples(x), run, found, x
    )
    name = f"{run.id}, {net.config.latent_dim} units"
    unit = "pixel" if x.dim() == 4 else "cell"
    figure = draw_rate_distortion(lines, now, {name: get_variant_colour(net.config.variant)}, unit)
    st.plotly_chart(
        figure, key="curve", alt=f"Squared error over bits a {unit}, for {', '.join(lines)}"
    )
    st.caption(
        f"Lower left is better. The diamond is the file above. {len(x):,} examples in one file"
        + (
            f"; JPEG and WebP: {min(CURVE_PICTURES, len(x))} pictures, a file each."
            if x.dim() == 4
            else "."
        )
        + " PCA has as many components as the run has units, and goes through the same coder."
    )
    table = pd.DataFrame(
        [{"coder": coder, **point._asdict()} for coder, points in lines.items() for point in points]
    )
    st.download_button(
        "Curves as CSV",
        lambda: table.to_csv(index=False),
        "rate-distortion.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
    )


@st.cache_data(max_entries=16, show_spinner="Measuring the curves ...")
def load_rate_curves(
    path: str, version: float, name: str, examples: str, _run: Run, _found: Dataset, _x: Tensor
) -> dict[str, Sequence[RatePoint]]:
    net = get_model(_run)
    lines = {f"{_run.id}, {net.config.latent_dim} units": measure_rate_curve(net, _x, STEP_CHOICES)}
    train = as_float(fill_with_means(_found.train.x[:PCA_PICTURES], _found))
    lines[f"PCA, {min(net.config.latent_dim, *train.flatten(1).shape)}"] = measure_pca_curve(
        net, train, _x, STEP_CHOICES
    )
    if _x.dim() == 4:
        for kind in ("JPEG", "WEBP"):
            lines[kind.replace("WEBP", "WebP")] = measure_image_codec_curve(
                _x[:CURVE_PICTURES], kind, CODEC_QUALITIES
            )
    return lines
