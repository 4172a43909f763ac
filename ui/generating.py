"""The three sections of the Generate page: samples, interpolations, walks along one dimension of the code."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from torch import Tensor

from aecore import data, latent, pictures
from aecore.autoencoder import Autoencoder
from aecore.data import Dataset
from aecore.runs import Run
from ui import cache, examples

MAX_SEED = 2**31
STRIP = 12  # tiles in one line; longer paths are broken
OVERVIEW, STEPS = 8, 9
REACH = 3.0  # a walk goes so many deviations to each side
PRIOR = "The model was trained so that its codes follow N(0, I); a draw from it, decoded, is a new example."
MIXTURE = (
    "A model without a prior leaves holes in its code space. So a mixture of up to ten Gaussians is fitted to the "
    "training codes (after Ghosh et al., 2020), and codes are drawn from that."
)


def source(net: Autoencoder) -> None:
    """What samples are drawn from, in a sentence."""
    if net.config.has_prior:
        st.caption("Codes are drawn from the prior `N(0, I)` and decoded.", help=PRIOR)
    else:
        st.caption("This model has no prior: codes are drawn from a mixture of Gaussians fitted to its training codes, "
                   "and decoded.", help=MIXTURE)  # fmt: skip


def drawn(run: Run, n: int, seed: int) -> Tensor:
    """n sampled codes (n, latent_dim)."""
    return latent.sample_codes(cache.model(run), n, seed, cache.density(run))


def controls() -> Any:
    return st.container(horizontal=True, vertical_alignment="bottom", gap="medium")


def save(run: Run, name: str, net: Autoencoder, x: Tensor, z: Tensor, columns: int, animation: bytes = b"") -> None:
    """The downloads of a section: the picture, the animation, the numbers."""
    row, stem = st.container(horizontal=True), f"{run.id}-{name}"
    row.download_button("PNG", lambda: pictures.png(examples.picture(net, x, columns)), f"{stem}.png", "image/png",
                        icon=":material/image:", on_click="ignore", help="The picture.")  # fmt: skip
    if animation:
        row.download_button("GIF", animation, f"{stem}.gif", "image/gif", icon=":material/gif_box:", on_click="ignore",
                            help="The animation, there and back.")  # fmt: skip
    row.download_button("NPZ", lambda: examples.npz(x=x.numpy(), z=z.numpy()), f"{stem}.npz", "application/zip",
                        icon=":material/data_array:", on_click="ignore",
                        help="NumPy arrays: `x`, the decoded examples, and `z`, their codes.")  # fmt: skip


# -- samples


def samples(run: Run, net: Autoencoder, found: Dataset) -> None:
    """New examples."""
    row = controls()
    n = row.segmented_control("Samples", [16, 32, 64], default=32, required=True, key="samples", bind="query-params",
                              help="How many to draw.")  # fmt: skip
    seed = row.number_input("Seed", 0, MAX_SEED, 0, 1, key="draw", bind="query-params", width=160,
                            help="The same seed draws the same samples.")  # fmt: skip
    row.button("Another", icon=":material/casino:", type="primary", on_click=another, help="The next seed.")
    source(net)
    z = drawn(run, n, seed)
    x = latent.decode(net, z)
    examples.show(found, net, x, f"{n} samples of {run.id}, seed {seed}")
    save(run, f"samples-{seed}", net, x, z, 8)


def another() -> None:
    st.session_state["draw"] = (st.session_state.get("draw", 0) + 1) % MAX_SEED


# -- interpolate


def interpolate(run: Run, net: Autoencoder, found: Dataset) -> None:
    """From one code to another."""
    row = controls()
    between = row.segmented_control("Between", ["test inputs", "samples"], default="test inputs", required=True,
                                    key="between", bind="query-params", help="What the two ends are.")  # fmt: skip
    z, ends = chosen_ends(run, net, found, between, row)
    path = row.segmented_control("Path", ["linear", "spherical"], default="linear", required=True, key="path_of_z",
                                 bind="query-params", help="**linear**: straight. **spherical**: along the arc, so that"
                                 " the length of `z` changes evenly (White, 2016); for codes with a prior.")  # fmt: skip
    steps = row.slider(
        "Steps", 2, 64, 12, key="steps", bind="query-params", width=200, help="Codes on the way, both ends included."
    )
    way = latent.snap(net, latent.interpolate(z[0], z[1], steps, path))
    x = latent.decode(net, way)
    columns, alt = strip(steps), f"{steps} steps on the {path} path between two {between}, decoded"
    moving = b""
    if x.dim() == 4:
        moving = pictures.gif(examples.large(net, x), max(40, 2000 // steps))
        beside = st.container(horizontal=True, gap="medium")
        for image, title in ((ends[:1], "Start"), (moving, "On the way"), (ends[1:], "End")):
            shown = image if isinstance(image, bytes) else pictures.grid(examples.large(net, image), 1)
            beside.image(shown, title, width=examples.SIDE, alt=title)
    examples.show(found, net, x, alt, columns)
    save(run, "interpolation", net, x, way, columns, moving)


def chosen_ends(run: Run, net: Autoencoder, found: Dataset, between: str, row: Any) -> tuple[Tensor, Tensor]:
    """The two end codes (2, latent_dim), and what stands for them: the inputs, or the decoded samples."""
    if between == "samples":
        seeds = [row.number_input(f"{label} seed", 0, MAX_SEED, i, 1, key=key, bind="query-params", width=130,
                                  help="The seed of the sample at this end.")
                 for i, (label, key) in enumerate((("Start", "start_seed"), ("End", "end_seed")))]  # fmt: skip
        z = torch.cat([drawn(run, 1, seed) for seed in seeds])
        return z, latent.decode(net, z)
    count = len(found.test.x)
    picked = [examples.choose_index(row, label, key, count, i, "The number of a test input.")
              for i, (label, key) in enumerate((("Start", "start"), ("End", "end")))]  # fmt: skip
    x = data.as_float(found.test.x[picked])
    return latent.codes(net, x), x


def strip(steps: int) -> int:
    """Tiles in a line: one line while it is legible."""
    return steps if steps <= STRIP else 8


# -- walk


def walk(run: Run, net: Autoencoder, found: Dataset) -> None:
    """One dimension of a code at a time."""
    order, mean, deviation = scale(run, net)
    row = controls()
    base = row.segmented_control("Around", ["test input", "centre"], default="test input", required=True, key="around",
                                 bind="query-params", help="The code that is changed: that of an input, or the centre "
                                 "of all codes, which is 0 where the model has a prior.")  # fmt: skip
    z = mean
    if base == "test input":
        at = examples.choose_index(row, "Number", "base", len(found.test.x), 0, "The number of a test input.")
        z = latent.codes(net, found.test.x[at : at + 1])[0]
    unit = row.selectbox("Dimension", order, key="unit", bind="query-params", width=220,
                         format_func=lambda j: f"z{j}, deviation {deviation[j]:.3g}",
                         help="Code units, the most varying first, with the standard deviation of their values over "
                         "the test inputs.")  # fmt: skip
    offset = row.slider("Offset", -REACH, REACH, 0.0, 0.1, key="offset", bind="query-params", width=240,
                        help="From the centre of this dimension, in standard deviations.")  # fmt: skip
    value = mean[unit] + offset * deviation[unit]
    left, right = st.columns([1, 3], gap="large")
    moved = latent.snap(net, latent.walk(z, unit, value[None]))
    values = mean[unit] + torch.linspace(-REACH, REACH, STEPS) * deviation[unit]
    line = latent.snap(net, latent.walk(z, unit, values))
    with left:
        one(found, net, z, moved, f"z{unit} = {value:.3g}")
    with right:
        span = f"z{unit} from {values[0]:.3g} to {values[-1]:.3g}"
        x = latent.decode(net, line)
        st.image(examples.picture(net, x, STEPS), width="stretch", alt=f"Decoded codes, {span}")
        st.caption(f"{span}, all else as it is." + ("" if x.dim() == 4 else f" {examples.BARS}"))
        units = order[:OVERVIEW]
        every = torch.cat(
            [latent.walk(z, j, mean[j] + torch.linspace(-REACH, REACH, STEPS) * deviation[j]) for j in units]
        )
        overview = latent.decode(net, latent.snap(net, every))
        st.image(examples.picture(net, overview, STEPS), width="stretch",
                 alt=f"A line for each of the dimensions {units}, walked in the same way")  # fmt: skip
        st.caption(
            f"The same for the {len(units)} most varying dimensions, a line each: {', '.join(f'z{j}' for j in units)}."
        )
    save(run, f"walk-z{unit}", net, x, line, STEPS)


def scale(run: Run, net: Autoencoder) -> tuple[list[int], Tensor, Tensor]:
    """Dimensions in order of variance; centre and deviation of each, 0 and 1 where there is a prior."""
    z = torch.from_numpy(cache.codes(run, "test", 10_000)[0])
    order, deviation = latent.spread(z)
    if net.config.has_prior:
        return order.tolist(), torch.zeros(z.shape[1]), torch.ones(z.shape[1])
    return order.tolist(), z.mean(0), deviation


def one(found: Dataset, net: Autoencoder, z: Tensor, moved: Tensor, title: str) -> None:
    """The decoded code, large, and what it was before."""
    x = latent.decode(net, torch.cat([moved, z[None]]))
    if x.dim() == 2:
        examples.show_table(examples.table(found, {title: x[0], "before": x[1]}))
        return
    st.image(pictures.grid(examples.large(net, x[:1]), 1), title, width=2 * examples.SIDE, alt=f"Decoded code, {title}")
    st.image(
        pictures.grid(examples.large(net, x[1:]), 1), "before", width=examples.SIDE, alt="The code as it was, decoded"
    )
