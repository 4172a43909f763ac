"""What the Compress page is made of: a file of codes and what it opens to, and its rate-distortion curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore import data, own
from aecore.data import Dataset
from aecore.errors import AecoreError
from aecore.pictures import grid, png, to_bytes
from aecore.runs import Run
from aecore.tasks import compress
from aecore.tasks.compress import Point
from ui import cache, charts, examples, figures, state, uploader
from ui.inputs import Inputs, filled

STEPS = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0)
QUALITIES = (1, 10, 30, 50, 75, 90)
COUNTS = (16, 64, 256, 1000)
PICTURES = 100  # behind the curves of JPEG and WebP: each is a file of its own
TRAINED = 20_000  # training examples behind PCA
SHOWN = 32
WIDTH = 160  # pixels of a metric
STEP_HELP = (
    "How coarsely the codes are rounded: each unit so that rounding it moves a reconstruction by about so much, in "
    "the network's units. Larger steps make smaller files."
)


class Packed(NamedTuple):
    """A file and what it opens to."""

    file: bytes
    opened: Tensor  # (N, *input_shape)
    point: Point


def pack(run: Run, found: Dataset, inputs: Inputs) -> None:
    """Choose how finely; see what the file opens to, beside the originals, and take it along."""
    net = cache.model(run)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    count = row.select_slider("Examples", COUNTS, 256, key="count", bind="query-params", width=220,
                              format_func=lambda n: f"{n:,}", help="The first so many go into one file.")  # fmt: skip
    step = row.select_slider("Step", STEPS, 0.5, key="step", bind="query-params", width=260, help=STEP_HELP,
                             disabled=net.bottleneck.levels is not None)  # fmt: skip
    x = data.as_float(inputs.x[:count])
    made = packed(run, step, x)
    sizes(net, x, made)
    left, right = st.columns([2, 1], gap="large")
    with left:
        beside(net, found, x[:SHOWN], made.opened[:SHOWN])
    with right:
        st.download_button("Compressed file", made.file, f"{run.id}.aez", "application/octet-stream", type="primary",
                           icon=":material/download:", on_click="ignore", key="take_file",
                           help="Opens again on this page, with this run.")  # fmt: skip
        st.markdown("**Open a file**", help="A file that this page made opens to exactly what was shown.")
        reopen(run, found)
    curves(run, found, x, made.point)


def packed(run: Run, step: float, x: Tensor) -> Packed:
    return load_packed(str(run.path), run.version(), step, cache.digest(x), run, x)


@st.cache_resource(max_entries=16, show_spinner="Compressing ...")
def load_packed(path: str, version: float, step: float, examples: str, _run: Run, _x: Tensor) -> Packed:
    net = cache.model(_run)
    file = compress.compress(net, _x, step)
    opened = compress.expand(net, file)
    point = compress.measured(step, file, compress.scaled(net, _x), compress.scaled(net, opened))
    return Packed(file, opened, point)


def beside(net: object, found: Dataset, x: Tensor, opened: Tensor) -> None:
    """Originals above what the file opens to."""
    if examples.is_cloud(found):
        examples.show_cloud(found, {"input": x, "opened": opened}, "Inputs, and what the file opens to")
        return
    st.image(examples.pairs(net, x, opened), width="stretch", alt="Inputs, each line above what the file opens to")
    st.caption("Inputs, each line above what the file opens to." + ("" if x.dim() == 4 else f" {examples.BARS}"))


def sizes(net: object, x: Tensor, made: Packed) -> None:
    """Bytes, bits, and what they cost."""
    raw = x.numel() * (1 if x.dim() == 4 else 4)
    row = st.container(horizontal=True)
    row.metric("File", size(len(made.file)), width=WIDTH, help="Everything that is needed besides the run itself.")
    row.metric("Smaller by", f"{raw / len(made.file):,.1f} times", width=WIDTH,
               help=f"Than {size(raw)}: {'a byte a pixel' if x.dim() == 4 else 'four bytes a cell'}.")  # fmt: skip
    row.metric("An example", f"{8 * len(made.file) / len(x):,.0f} bits", width=WIDTH)
    row.metric("A pixel" if x.dim() == 4 else "A cell", f"{made.point.bits:.3g} bits", width=WIDTH)
    row.metric("Squared error", f"{made.point.se:.3g}", width=WIDTH,
               help="In the network's units, summed over values, mean over examples. Lower is better.")  # fmt: skip


def size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.1f} kB"


def reopen(run: Run, found: Dataset) -> None:
    """A file from the visitor's disk, opened with this run."""
    try:
        if one := uploader.ask((own.PACKED,), "A .aez file of this run"):
            st.session_state["packed_file"] = one.source.read_bytes()
            one.delete()
        if (file := st.session_state.get("packed_file")) is None:
            return
        net = cache.model(run)
        x = compress.expand(net, file)
    except AecoreError as error:
        st.session_state.pop("packed_file", None)
        state.show_error(error)
        return
    st.caption(f"It holds {len(x):,} examples.")
    if x.dim() == 4:
        picture = png(grid(x[:64], 8))
        st.image(picture, width="stretch", alt=f"{min(len(x), 64)} of {len(x):,} examples of the opened file")
        st.download_button("NPZ", lambda: examples.npz(x=to_bytes(x)), "opened.npz", "application/zip",
                           on_click="ignore", icon=":material/data_array:", help="All as `x`, bytes.")  # fmt: skip
    else:
        frame = pd.DataFrame(x.numpy(), columns=list(found.columns) or None)
        st.dataframe(frame.head(50), alt="Rows of the opened file")
        st.download_button("CSV", lambda: frame.to_csv(index=False), "opened.csv", "text/csv", on_click="ignore",
                           icon=":material/table:")  # fmt: skip


# -- the curve


def curves(run: Run, found: Dataset, x: Tensor, now: Point) -> None:
    """Bits against error: this run, PCA through the same coder, JPEG and WebP."""
    st.subheader("Bits against error", anchor=False)
    net = cache.model(run)
    lines = load_curves(str(run.path), run.version(), found.name, cache.digest(x), run, found, x)
    name = f"{run.id}, {net.config.latent_dim} units"
    unit = "pixel" if x.dim() == 4 else "cell"
    figure = charts.rate_distortion(lines, now, {name: figures.colour(net.config.variant)}, unit)
    st.plotly_chart(figure, key="curve", alt=f"Squared error over bits a {unit}, for {', '.join(lines)}")
    st.caption(f"Lower left is better. The diamond is the file above. {len(x):,} examples in one file"
               + (f"; JPEG and WebP: {min(PICTURES, len(x))} pictures, a file each." if x.dim() == 4 else ".")
               + " PCA has as many components as the run has units, and goes through the same coder.")  # fmt: skip
    table = pd.DataFrame([{"coder": coder, **point._asdict()} for coder, points in lines.items() for point in points])
    st.download_button("Curves as CSV", lambda: table.to_csv(index=False), "rate-distortion.csv", "text/csv",
                       on_click="ignore", icon=":material/table:")  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Measuring the curves ...")
def load_curves(
    path: str, version: float, name: str, examples: str, _run: Run, _found: Dataset, _x: Tensor
) -> dict[str, Sequence[Point]]:
    net = cache.model(_run)
    lines = {f"{_run.id}, {net.config.latent_dim} units": compress.curve(net, _x, STEPS)}
    train = data.as_float(filled(_found.train.x[:TRAINED], _found))
    lines[f"PCA, {min(net.config.latent_dim, *train.flatten(1).shape)}"] = compress.pca_curve(net, train, _x, STEPS)
    if _x.dim() == 4:
        for kind in ("JPEG", "WEBP"):
            lines[kind.replace("WEBP", "WebP")] = compress.picture_curve(_x[:PICTURES], kind, QUALITIES)
    return lines
