"""The three sections of the Generate page: samples, interpolations, walks along one dimension of the code."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.latent import (
    decode_codes,
    encode_codes,
    interpolate_codes,
    order_dimensions,
    sample_codes,
    snap_codes,
    walk_dimension,
)
from aecore.analysis.pictures import draw_grid, encode_png
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import encode_cached_gif, get_codes, get_density, get_model
from ui.kit.examples import (
    ROW_TILES_NOTE,
    choose_index,
    choose_unit,
    draw_examples,
    encode_npz,
    enlarge_examples,
    is_point_cloud,
    make_example_table,
    show_cloud,
    show_example_table,
    show_examples,
)

MAX_SEED = 2**31
STRIP_LENGTH = 12  # tiles in one line; longer paths are broken
OVERVIEW, WALK_STEPS = 8, 9
WALK_REACH = 3.0  # a walk goes so many deviations to each side
WALK_UNITS = "Code units, the most varying over the test inputs first."
PRIOR_TEXT = "The model was trained so that its codes follow N(0, I); a draw from it, decoded, is a new example."
MIXTURE_TEXT = (
    "A model without a prior leaves holes in its code space. So a mixture of up to ten Gaussians is fitted to the "
    "training codes (after Ghosh et al., 2020), and codes are drawn from that."
)


def describe_source(net: Autoencoder) -> None:
    """What samples are drawn from, in a sentence."""
    if net.config.has_prior:
        st.caption("Codes are drawn from the prior N(0, I) and decoded.", help=PRIOR_TEXT)
    else:
        st.caption(
            "This model has no prior: codes are drawn from a mixture of Gaussians fitted to its training codes, "
            "and decoded.",
            help=MIXTURE_TEXT,
        )


def draw_codes(run: Run, n: int, seed: int) -> Tensor:
    """n sampled codes (n, latent_dim)."""
    return sample_codes(get_model(run), n, seed, get_density(run))


def show_seed_controls() -> Any:
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def offer_downloads(
    run: Run,
    name: str,
    found: Dataset,
    net: Autoencoder,
    x: Tensor,
    z: Tensor,
    columns: int,
    animation: bytes = b"",
) -> None:
    """The downloads of a section: the picture, the animation, the numbers."""
    row, stem = st.container(horizontal=True), f"{run.id}-{name}"
    if not is_point_cloud(found):
        row.download_button(
            "PNG",
            lambda: encode_png(draw_examples(net, x, columns)),
            f"{stem}.png",
            "image/png",
            icon=":material/image:",
            on_click="ignore",
            help="The picture.",
        )
    if animation:
        row.download_button(
            "GIF",
            animation,
            f"{stem}.gif",
            "image/gif",
            icon=":material/gif_box:",
            on_click="ignore",
            help="The animation, there and back.",
        )
    row.download_button(
        "NPZ",
        lambda: encode_npz(x=x.numpy(), z=z.numpy()),
        f"{stem}.npz",
        "application/zip",
        icon=":material/data_array:",
        on_click="ignore",
        help="NumPy arrays: `x`, the decoded examples, and `z`, their codes.",
    )


# -- samples


def show_samples(run: Run, net: Autoencoder, found: Dataset) -> None:
    """New examples."""
    row = show_seed_controls()
    n = row.segmented_control(
        "Samples",
        [16, 32, 64],
        default=32,
        required=True,
        key="samples",
        bind="query-params",
        help="How many to draw.",
    )
    seed = (
        row.number_input(
            "Seed",
            0,
            MAX_SEED,
            0,
            1,
            key="draw",
            bind="query-params",
            width=160,
            help="The same seed draws the same samples.",
        )
        or 0
    )
    row.button(
        "Another",
        icon=":material/casino:",
        type="primary",
        on_click=draw_another,
        help="The next seed.",
    )
    describe_source(net)
    z = draw_codes(run, n, seed)
    x = decode_codes(net, z)
    show_examples(found, net, x, f"{n} samples of {run.id}, seed {seed}")
    offer_downloads(run, f"samples-{seed}", found, net, x, z, 8)


def draw_another() -> None:
    st.session_state["draw"] = ((st.session_state.get("draw") or 0) + 1) % MAX_SEED


# -- interpolate


def show_interpolation(run: Run, net: Autoencoder, found: Dataset) -> None:
    """From one code to another."""
    row = show_seed_controls()
    between = row.segmented_control(
        "Between",
        ["test inputs", "samples"],
        default="test inputs",
        required=True,
        key="between",
        bind="query-params",
        help="What the two ends are.",
    )
    z, ends = choose_ends(run, net, found, between, row)
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
    way = snap_codes(net, interpolate_codes(z[0], z[1], steps, path))
    x = decode_codes(net, way)
    columns, above = steps if steps <= STRIP_LENGTH else 8, st.container(width=560)
    show_examples(
        found, net, x, f"{steps} steps on the {path} way between two {between}, decoded", columns
    )
    animation = (
        show_animation(above, net, x, ends) if x.dim() == 4 else b""
    )  # last, since a long one takes a second
    offer_downloads(run, "interpolation", found, net, x, way, columns, animation)


def choose_ends(
    run: Run, net: Autoencoder, found: Dataset, between: str, row: Any
) -> tuple[Tensor, Tensor]:
    """The two end codes (2, latent_dim), and what stands for them: the inputs, or the decoded samples."""
    if between == "samples":
        seeds = [
            row.number_input(
                f"{label} seed",
                0,
                MAX_SEED,
                i,
                1,
                key=key,
                bind="query-params",
                width=130,
                help="The seed of the sample at this end.",
            )
            or 0
            for i, (label, key) in enumerate((("Start", "start_seed"), ("End", "end_seed")))
        ]
        z = torch.cat([draw_codes(run, 1, seed) for seed in seeds])
        return z, decode_codes(net, z)
    picked = [
        choose_index(row, label, key, len(found.test.x), i, "The number of a test input.")
        for i, (label, key) in enumerate((("Start", "start"), ("End", "end")))
    ]
    x = as_float(found.test.x[picked])
    return encode_codes(net, x), x


def show_animation(place: Any, net: Autoencoder, x: Tensor, ends: Tensor) -> bytes:
    """Show the way as a moving picture between its two ends; the bytes of the GIF."""
    moving, still = enlarge_examples(net, x), enlarge_examples(net, ends)
    frames = torch.cat([still[:1].expand_as(moving), moving, still[1:].expand_as(moving)], dim=3)
    animation = encode_cached_gif(frames, max(40, 2000 // len(x)))
    place.image(
        animation,
        "Start, on the way, end",
        width="stretch",
        alt="Start, the decoded code on its way, end",
    )
    return animation


# -- walk


class CodeScale(NamedTuple):
    """The dimensions of a run's codes."""

    order: list[int]  # the most varying first
    deviation: Tensor  # (latent_dim,), over the test inputs
    centre: Tensor  # (latent_dim,) of a walk, and what one unit of it is: 0 and 1 where there is a prior
    unit: Tensor


def measure_code_scale(run: Run, net: Autoencoder) -> CodeScale:
    z = torch.from_numpy(get_codes(run, "test", 10_000)[0])
    order, deviation = order_dimensions(z)
    if net.config.has_prior:
        return CodeScale(
            order.tolist(), deviation, torch.zeros_like(deviation), torch.ones_like(deviation)
        )
    return CodeScale(order.tolist(), deviation, z.mean(0), deviation)


def show_walk(run: Run, net: Autoencoder, found: Dataset) -> None:
    """One dimension of a code at a time."""
    size, row = measure_code_scale(run, net), show_seed_controls()
    z = choose_base_code(net, found, size, row)
    unit = choose_unit(row, "Dimension", "unit", size.order, 0, WALK_UNITS)
    offset = row.slider(
        "Offset",
        -WALK_REACH,
        WALK_REACH,
        0.0,
        0.1,
        key="offset",
        bind="query-params",
        width=240,
        help="From the centre of this dimension: in standard deviations of the codes, or of the "
        "prior where there is one.",
    )
    value = size.centre[unit] + offset * size.unit[unit]
    now = decode_codes(net, snap_codes(net, walk_dimension(z, unit, value[None])))
    codes = walk_line(net, z, unit, size)
    x, before, name = decode_codes(net, codes), decode_codes(net, z[None]), f"z{unit} = {value:.3g}"
    if x.dim() == 4:
        left, right = st.columns([1, 2], gap="large")
        with left:
            st.image(
                draw_grid(enlarge_examples(net, now, 2), 1),
                name,
                width="stretch",
                alt=f"Decoded code, {name}",
            )
            st.image(
                draw_grid(enlarge_examples(net, before), 1),
                "before",
                width=112,
                alt="The code before, decoded",
            )
        with right:
            walk_lines(net, z, unit, size, x)
    else:
        if is_point_cloud(found):
            show_cloud(
                found, {"walk": x, "now": now}, f"{name}, on the way of all values of z{unit}"
            )
        walk_lines(net, z, unit, size, x)
        show_example_table(make_example_table(found, {"before": before[0], name: now[0]}))
    offer_downloads(run, f"walk-z{unit}", found, net, x, codes, WALK_STEPS)


def choose_base_code(net: Autoencoder, found: Dataset, size: CodeScale, row: Any) -> Tensor:
    """The code (latent_dim,) that a walk changes."""
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
        return size.centre
    at = choose_index(row, "Number", "base", len(found.test.x), 0, "The number of a test input.")
    return encode_codes(net, found.test.x[at : at + 1])[0]


def walk_line(net: Autoencoder, z: Tensor, unit: int, size: CodeScale) -> Tensor:
    """z with one dimension at evenly spread values: (STEPS, latent_dim)."""
    values = (
        size.centre[unit] + torch.linspace(-WALK_REACH, WALK_REACH, WALK_STEPS) * size.unit[unit]
    )
    return snap_codes(net, walk_dimension(z, unit, values))


def walk_lines(net: Autoencoder, z: Tensor, unit: int, size: CodeScale, x: Tensor) -> None:
    """The walk x (STEPS, ...) along the chosen dimension, then along the most varying ones."""
    low, high = (size.centre[unit] + side * WALK_REACH * size.unit[unit] for side in (-1, 1))
    span = f"z{unit} from {low:.3g} to {high:.3g}"
    about = f"{span}, all else as it is; its deviation over the test inputs is {size.deviation[unit]:.3g}."
    st.image(draw_examples(net, x, WALK_STEPS), width="stretch", alt=f"Decoded codes, {span}")
    st.caption(about if x.dim() == 4 else f"{about} {ROW_TILES_NOTE}")
    units = size.order[:OVERVIEW]
    every = decode_codes(net, torch.cat([walk_line(net, z, j, size) for j in units]))
    names = ", ".join(f"z{j}" for j in units)
    st.image(
        draw_examples(net, every, WALK_STEPS),
        width="stretch",
        alt=f"A line for each dimension: {names}",
    )
    st.caption(f"The same for the {len(units)} most varying dimensions, a line each: {names}.")
