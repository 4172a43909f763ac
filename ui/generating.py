"""The three sections of the Generate page: samples, interpolations, walks along one dimension of the code."""

from __future__ import annotations

from typing import Any, NamedTuple

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
UNITS = "Code units, the most varying over the test inputs first."
PRIOR = "The model was trained so that its codes follow N(0, I); a draw from it, decoded, is a new example."
MIXTURE = (
    "A model without a prior leaves holes in its code space. So a mixture of up to ten Gaussians is fitted to the "
    "training codes (after Ghosh et al., 2020), and codes are drawn from that."
)


def source(net: Autoencoder) -> None:
    """What samples are drawn from, in a sentence."""
    if net.config.has_prior:
        st.caption("Codes are drawn from the prior N(0, I) and decoded.", help=PRIOR)
    else:
        st.caption("This model has no prior: codes are drawn from a mixture of Gaussians fitted to its training codes, "
                   "and decoded.", help=MIXTURE)  # fmt: skip


def drawn(run: Run, n: int, seed: int) -> Tensor:
    """n sampled codes (n, latent_dim)."""
    return latent.sample_codes(cache.model(run), n, seed, cache.density(run))


def controls() -> Any:
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def save(
    run: Run, name: str, found: Dataset, net: Autoencoder, x: Tensor, z: Tensor, columns: int, animation: bytes = b""
) -> None:
    """The downloads of a section: the picture, the animation, the numbers."""
    row, stem = st.container(horizontal=True), f"{run.id}-{name}"
    if not examples.is_cloud(found):
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
                            help="The same seed draws the same samples.") or 0  # fmt: skip
    row.button("Another", icon=":material/casino:", type="primary", on_click=another, help="The next seed.")
    source(net)
    z = drawn(run, n, seed)
    x = latent.decode(net, z)
    examples.show(found, net, x, f"{n} samples of {run.id}, seed {seed}")
    save(run, f"samples-{seed}", found, net, x, z, 8)


def another() -> None:
    st.session_state["draw"] = ((st.session_state.get("draw") or 0) + 1) % MAX_SEED


# -- interpolate


def interpolate(run: Run, net: Autoencoder, found: Dataset) -> None:
    """From one code to another."""
    row = controls()
    between = row.segmented_control("Between", ["test inputs", "samples"], default="test inputs", required=True,
                                    key="between", bind="query-params", help="What the two ends are.")  # fmt: skip
    z, ends = chosen_ends(run, net, found, between, row)
    path = row.segmented_control("Path", ["linear", "spherical"], default="linear", required=True, key="path_of_z",
                                 bind="query-params",
                                 help="**linear**: straight. **spherical**: along the arc, so that the length of *z* "
                                 "changes evenly (White, 2016); for codes with a prior.")  # fmt: skip
    steps = row.slider("Steps", 2, 64, 12, key="steps", bind="query-params", width=140,
                       help="Codes on the way, both ends included.")  # fmt: skip
    way = latent.snap(net, latent.interpolate(z[0], z[1], steps, path))
    x = latent.decode(net, way)
    columns, above = steps if steps <= STRIP else 8, st.container(width=560)
    examples.show(found, net, x, f"{steps} steps on the {path} way between two {between}, decoded", columns)
    animation = animate(above, net, x, ends) if x.dim() == 4 else b""  # last, since a long one takes a second
    save(run, "interpolation", found, net, x, way, columns, animation)


def chosen_ends(run: Run, net: Autoencoder, found: Dataset, between: str, row: Any) -> tuple[Tensor, Tensor]:
    """The two end codes (2, latent_dim), and what stands for them: the inputs, or the decoded samples."""
    if between == "samples":
        seeds = [row.number_input(f"{label} seed", 0, MAX_SEED, i, 1, key=key, bind="query-params", width=130,
                                  help="The seed of the sample at this end.") or 0
                 for i, (label, key) in enumerate((("Start", "start_seed"), ("End", "end_seed")))]  # fmt: skip
        z = torch.cat([drawn(run, 1, seed) for seed in seeds])
        return z, latent.decode(net, z)
    picked = [examples.choose_index(row, label, key, len(found.test.x), i, "The number of a test input.")
              for i, (label, key) in enumerate((("Start", "start"), ("End", "end")))]  # fmt: skip
    x = data.as_float(found.test.x[picked])
    return latent.codes(net, x), x


def animate(place: Any, net: Autoencoder, x: Tensor, ends: Tensor) -> bytes:
    """Show the way as a moving picture between its two ends; the bytes of the GIF."""
    moving, still = examples.large(net, x), examples.large(net, ends)
    frames = torch.cat([still[:1].expand_as(moving), moving, still[1:].expand_as(moving)], dim=3)
    animation = cache.gif(frames, max(40, 2000 // len(x)))
    place.image(animation, "Start, on the way, end", width="stretch", alt="Start, the decoded code on its way, end")
    return animation


# -- walk


class Scale(NamedTuple):
    """The dimensions of a run's codes."""

    order: list[int]  # the most varying first
    deviation: Tensor  # (latent_dim,), over the test inputs
    centre: Tensor  # (latent_dim,) of a walk, and what one unit of it is: 0 and 1 where there is a prior
    unit: Tensor


def scale(run: Run, net: Autoencoder) -> Scale:
    z = torch.from_numpy(cache.codes(run, "test", 10_000)[0])
    order, deviation = latent.spread(z)
    if net.config.has_prior:
        return Scale(order.tolist(), deviation, torch.zeros_like(deviation), torch.ones_like(deviation))
    return Scale(order.tolist(), deviation, z.mean(0), deviation)


def walk(run: Run, net: Autoencoder, found: Dataset) -> None:
    """One dimension of a code at a time."""
    size, row = scale(run, net), controls()
    z = chosen_base(net, found, size, row)
    unit = examples.choose_unit(row, "Dimension", "unit", size.order, 0, UNITS)
    offset = row.slider("Offset", -REACH, REACH, 0.0, 0.1, key="offset", bind="query-params", width=240,
                        help="From the centre of this dimension: in standard deviations of the codes, or of the "
                        "prior where there is one.")  # fmt: skip
    value = size.centre[unit] + offset * size.unit[unit]
    now = latent.decode(net, latent.snap(net, latent.walk(z, unit, value[None])))
    codes = line(net, z, unit, size)
    x, before, name = latent.decode(net, codes), latent.decode(net, z[None]), f"z{unit} = {value:.3g}"
    if x.dim() == 4:
        left, right = st.columns([1, 2], gap="large")
        with left:
            st.image(pictures.grid(examples.large(net, now, 2), 1), name, width="stretch", alt=f"Decoded code, {name}")
            st.image(pictures.grid(examples.large(net, before), 1), "before", width=112, alt="The code before, decoded")
        with right:
            lines(net, z, unit, size, x)
    else:
        if examples.is_cloud(found):
            examples.show_cloud(found, {"walk": x, "now": now}, f"{name}, on the way of all values of z{unit}")
        lines(net, z, unit, size, x)
        examples.show_table(examples.table(found, {"before": before[0], name: now[0]}))
    save(run, f"walk-z{unit}", found, net, x, codes, STEPS)


def chosen_base(net: Autoencoder, found: Dataset, size: Scale, row: Any) -> Tensor:
    """The code (latent_dim,) that a walk changes."""
    base = row.segmented_control("Around", ["test input", "centre"], default="test input", required=True, key="around",
                                 bind="query-params", help="The code that is changed: that of an input, or the centre "
                                 "of all codes, which is 0 where the model has a prior.")  # fmt: skip
    if base == "centre":
        return size.centre
    at = examples.choose_index(row, "Number", "base", len(found.test.x), 0, "The number of a test input.")
    return latent.codes(net, found.test.x[at : at + 1])[0]


def line(net: Autoencoder, z: Tensor, unit: int, size: Scale) -> Tensor:
    """z with one dimension at evenly spread values: (STEPS, latent_dim)."""
    values = size.centre[unit] + torch.linspace(-REACH, REACH, STEPS) * size.unit[unit]
    return latent.snap(net, latent.walk(z, unit, values))


def lines(net: Autoencoder, z: Tensor, unit: int, size: Scale, x: Tensor) -> None:
    """The walk x (STEPS, ...) along the chosen dimension, then along the most varying ones."""
    low, high = (size.centre[unit] + side * REACH * size.unit[unit] for side in (-1, 1))
    span = f"z{unit} from {low:.3g} to {high:.3g}"
    about = f"{span}, all else as it is; its deviation over the test inputs is {size.deviation[unit]:.3g}."
    st.image(examples.picture(net, x, STEPS), width="stretch", alt=f"Decoded codes, {span}")
    st.caption(about if x.dim() == 4 else f"{about} {examples.BARS}")
    units = size.order[:OVERVIEW]
    every = latent.decode(net, torch.cat([line(net, z, j, size) for j in units]))
    names = ", ".join(f"z{j}" for j in units)
    st.image(examples.picture(net, every, STEPS), width="stretch", alt=f"A line for each dimension: {names}")
    st.caption(f"The same for the {len(units)} most varying dimensions, a line each: {names}.")
