"""The sections of the Manifold page: tangents at a point, noise around it, local dimension, the surface itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.latent import project_by_pca
from aecore.analysis.manifold import (
    JacobianFrame,
    captured_energy,
    compute_decoder_jacobians,
    compute_encoder_jacobians,
    compute_image_tangents,
    decompose_jacobian,
    draw_orthogonal_noise,
    estimate_local_dimension,
    reconstruction_shift,
)
from aecore.analysis.metrics import decode_in_chunks, encode_in_chunks, reconstruct_in_chunks
from aecore.analysis.pictures import colour_signed, draw_grid, make_tiles
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from ui.kit.cache import digest_examples, get_model
from ui.kit.examples import choose_index, draw_pairs, is_point_cloud, make_example_tiles
from ui.kit.figures import draw_cloud, draw_small_map, get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.runs import get_variant_label
from ui.manifold.charts import draw_coloured_map, draw_manifold, draw_spectra

MAPPED_POINTS = 400  # points of the map, and of the local dimensions
SHOWN_DIRECTIONS, DIRECTION_STEPS = 5, 7
PULLED_EXAMPLES = 250  # points with an arrow
COUNTABLE_NOTE = (
    "The codes of this run are countable: between two of them there is nothing, so its manifold is a set of points and "
    "has no tangents."
)


class PointGeometry(NamedTuple):
    """What a run makes of the neighbourhood of one input."""

    x: Tensor  # (1, *input_shape)
    z: Tensor  # (1, latent_dim)
    rebuilt: Tensor
    encoder: Tensor  # singular values of df/dx
    frame: JacobianFrame  # of dg/dz


def choose_point(run: Run, found: Dataset, chosen: Inputs) -> int:
    """A map to click, or a number to type; the row of the input."""
    count = min(MAPPED_POINTS, len(chosen.x))
    z = load_given_codes(
        str(run.path), run.version(), digest_examples(chosen.x[:count]), run, chosen.x[:count]
    )
    groups = {"input": np.arange(count)}
    if chosen.y is not None and chosen.classes:
        groups = {
            name: np.flatnonzero(chosen.y[:count].numpy() == i)
            for i, name in enumerate(chosen.classes)
        }
        groups = {name: rows for name, rows in groups.items() if len(rows)}
    figure = draw_small_map(project_by_pca(z, 2), groups)
    event = st.plotly_chart(
        figure,
        key="point_map",
        on_select=forget_typed_number,
        selection_mode="points",
        alt=f"{count} codes of {run.id} on their principal plane",
    )
    st.caption(
        f":material/touch_app: Click a point: {count} of {chosen.name}, by their codes' principal plane."
    )
    typed = choose_index(
        st, "Input", "input", len(chosen.x), None, "By its number, counted from 0."
    )
    clicked = read_clicked_rows(event["selection"]["points"], list(groups.values()))
    return typed if typed is not None else clicked[0] if clicked else 0


def read_clicked_rows(points: list[dict], traces: list[np.ndarray]) -> list[int]:
    """Rows of the clicked points, in order; a point names its trace and its place in it."""
    rows = {
        int(traces[p["curve_number"]][p["point_index"]])
        for p in points
        if p["curve_number"] < len(traces) and p["point_index"] < len(traces[p["curve_number"]])
    }
    return sorted(rows)


def forget_typed_number() -> None:
    """A click takes the place of the number that was typed."""
    st.session_state["input"] = None


@st.cache_resource(max_entries=16, show_spinner="Encoding ...")
def load_given_codes(path: str, version: float, given: str, _run: Run, _x: Tensor) -> np.ndarray:
    return encode_in_chunks(get_model(_run), _x).numpy()


def codes_at(run: Run, x: Tensor) -> PointGeometry:
    return load_point_geometry(str(run.path), run.version(), digest_examples(x), run, x)


@st.cache_resource(max_entries=32, show_spinner="Differentiating ...")
def load_point_geometry(
    path: str, version: float, given: str, _run: Run, _x: Tensor
) -> PointGeometry:
    net = get_model(_run)
    z = encode_in_chunks(net, _x)
    encoder = torch.linalg.svdvals(compute_encoder_jacobians(net, _x)[0])
    frame = decompose_jacobian(compute_decoder_jacobians(net, z)[0])
    return PointGeometry(_x, z, decode_in_chunks(net, z), encoder, frame)


def has_countable_codes(run: Run) -> bool:
    return get_model(run).bottleneck.levels is not None


# -- tangents


def show_tangents(runs: list[Run], found: Dataset, x: Tensor) -> None:
    """Where one can go from a point without leaving the manifold, for each run."""
    reach = st.slider(
        "How far",
        0.5,
        10.0,
        4.0,
        0.5,
        key="reach",
        bind="query-params",
        help="How far the ends lie from the point, as the tangent says.",
    )
    for run, column in zip(runs, st.columns(len(runs), gap="large"), strict=True):
        with column:
            st.markdown(f"**{get_variant_label(run)}** {run.id}")
            if has_countable_codes(run):
                st.info(COUNTABLE_NOTE, icon=":material/grid_on:")
                continue
            draw_tangent_walks(get_model(run), found, codes_at(run, x), reach)
    tabulate_point(runs, x)
    show_spectra(runs, x)


def draw_tangent_walks(
    net: Autoencoder, found: Dataset, point: PointGeometry, reach: float
) -> None:
    """A line for each of the strongest directions, then decoded codes z + t v / s on the way along it."""
    strengths = point.frame.strengths[:SHOWN_DIRECTIONS]
    said = ", ".join(f"{strength:.3g}" for strength in strengths)
    if is_point_cloud(found):
        st.caption(f"Directions of strength {said}: see *Surface*.")
        return
    lines = []
    for i, strength in enumerate(strengths):
        way = torch.linspace(-reach, reach, DIRECTION_STEPS)[:, None] / strength
        drawn = make_example_tiles(net, decode_in_chunks(net, point.z + way * point.frame.codes[i]))
        direction = point.frame.inputs[:, i].view(1, *point.x.shape[1:])
        arrow = colour_signed(direction) if direction.dim() == 4 else make_tiles(direction)
        lines.append(torch.cat([arrow, drawn]))
    st.image(
        draw_grid(torch.cat(lines), DIRECTION_STEPS + 1),
        width="stretch",
        alt=f"{len(lines)} directions, and decoded codes along each",
    )
    st.caption(
        f"A line a direction, of strength {said}: first itself, red where it grows and blue where it shrinks, "
        "then the way along it."
    )


def tabulate_point(runs: list[Run], x: Tensor) -> None:
    """Norms and dimension at the point, a row a run."""
    rows = {}
    for run in runs:
        point = codes_at(run, x)
        row = {"|df/dx|": point.encoder.norm().item()}
        if not has_countable_codes(run):
            strengths = point.frame.strengths
            row |= {
                "|dg/dz|": strengths.norm().item(),
                "local dimension": estimate_local_dimension(strengths).item(),
            }
            if x.dim() == 4 and min(x.shape[2:]) >= 8:
                share = captured_energy(
                    compute_image_tangents(x), point.frame.inputs.T[None]
                ).item()
                row["shifts and turns, %"] = 100 * share
        rows[run.id] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
    config = {
        name: st.column_config.NumberColumn(name, help=MANIFOLD_HELP[name], format="%.3g")
        for name in table.columns
    }
    st.dataframe(
        table, column_config=config, alt="Norms of the Jacobians and the dimension at the point"
    )


MANIFOLD_HELP = {
    "|df/dx|": "Frobenius norm of the encoder's Jacobian: how much the code moves with the input. A contractive "
    "penalty keeps it small (Rifai et al., 2011).",
    "|dg/dz|": "Frobenius norm of the decoder's Jacobian: how much the picture moves with the code.",
    "local dimension": "(sum s²)² / sum s⁴ over the decoder's singular values s: how many share the variance.",
    "shifts and turns, %": "Share of what shifting, turning, scaling and shearing the picture changes that the tangent "
    "space holds.",
}


def show_spectra(runs: list[Run], x: Tensor) -> None:
    """Singular values of both Jacobians, for each run."""
    lines = {}
    for run in runs:
        point = codes_at(run, x)
        lines[f"{run.id}, encoder"] = point.encoder.numpy()
        if not has_countable_codes(run):
            lines[f"{run.id}, decoder"] = point.frame.strengths.numpy()
    tints = {
        f"{run.id}, {part}": get_variant_colour(run.config().model.variant)
        for run in runs
        for part in ("encoder", "decoder")
    }
    st.plotly_chart(
        draw_spectra(lines, tints),
        key="spectra",
        alt="Singular values of the Jacobians, largest first",
    )
    st.caption(
        "Singular values, the largest first. A code that follows a few directions of the data and ignores the "
        "rest falls steeply."
    )


# -- noise


def show_noise(runs: list[Run], found: Dataset, x: Tensor) -> None:
    """Leave the manifold on purpose; see how far each model brings the point back."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    sigma = row.slider(
        "Noise",
        0.05,
        1.0,
        0.3,
        0.05,
        key="sigma",
        bind="query-params",
        width=240,
        help="Deviation of the noise in each value, in the network's units.",
    )
    kind = row.segmented_control(
        "Which way",
        ["everywhere", "off the manifold"],
        default="off the manifold",
        required=True,
        key="way",
        bind="query-params",
        help="*Off the manifold*: without what lies in the tangent space.",
    )
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120)
    for run, column in zip(runs, st.columns(len(runs), gap="large"), strict=True):
        net, point = get_model(run), codes_at(run, x)
        basis = (
            point.frame.inputs
            if kind == "off the manifold" and not has_countable_codes(run)
            else torch.zeros(x[0].numel(), 1)
        )
        moved = draw_orthogonal_noise(torch.zeros(6, x[0].numel()), basis, sigma, int(seed or 0))
        noisy = point.rebuilt + moved.view(6, *x.shape[1:]) * net.scale
        back = reconstruct_in_chunks(net, noisy)
        before, after = (
            ((part - point.rebuilt) / net.scale).flatten(1).norm(dim=1).mean()
            for part in (noisy, back)
        )
        with column:
            st.markdown(f"**{get_variant_label(run)}** {run.id}")
            if is_point_cloud(found):
                show_noise_examples(
                    found,
                    {"noisy": noisy, "brought back": back, "the point": point.rebuilt},
                    f"noise-{run.id}",
                )
            else:
                st.image(
                    draw_pairs(net, noisy, back, 6),
                    width="stretch",
                    alt="Noisy, above what the model makes of it",
                )
            st.metric(
                "Brought back by",
                f"{1 - after / before:.0%}",
                width=200,
                help=f"Distance to the point: {before:.3g} before, {after:.3g} after.",
            )
    st.caption(
        "Each noisy version above, what the model makes of it below. The point is the input's reconstruction, "
        "which lies on the manifold."
    )


def show_noise_examples(found: Dataset, groups: dict[str, Tensor], key: str) -> None:
    ground = {"training data": found.train.x[:1000].numpy()}
    st.plotly_chart(
        draw_cloud(ground | {name: x.numpy() for name, x in groups.items()}),
        key=key,
        alt=", ".join(groups),
    )


# -- local dimension


def show_dimension(runs: list[Run], found: Dataset, chosen: Inputs) -> None:
    """The map, coloured by how many directions the decoder has there."""
    x = as_float(chosen.x[:MAPPED_POINTS])
    for run, column in zip(runs, st.columns(len(runs), gap="large"), strict=True):
        with column:
            st.markdown(f"**{get_variant_label(run)}** {run.id}")
            if has_countable_codes(run):
                st.info(COUNTABLE_NOTE, icon=":material/grid_on:")
                continue
            z, values = load_local_dimensions(
                str(run.path), run.version(), digest_examples(x), run, x
            )
            st.plotly_chart(
                draw_coloured_map(project_by_pca(z, 2), values, "local dimension"),
                key=f"dim-{run.id}",
                alt=f"Codes of {run.id} coloured by local dimension",
            )
            st.caption(
                f"Mean {values.mean():.2f} of {z.shape[1]} units, from {values.min():.2f} to {values.max():.2f}."
            )
    st.caption(
        f"{len(x)} of {chosen.name} on the principal plane of their codes. Local dimension: "
        "(sum s²)² / sum s⁴ over the singular values s of the decoder's Jacobian."
    )


@st.cache_resource(max_entries=16, show_spinner="Differentiating at every point ...")
def load_local_dimensions(
    path: str, version: float, given: str, _run: Run, _x: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    net = get_model(_run)
    z = encode_in_chunks(net, _x)
    found = [
        estimate_local_dimension(torch.linalg.svdvals(compute_decoder_jacobians(net, part)))
        for part in z.split(50)
    ]
    return z.numpy(), torch.cat(found).numpy()


# -- the surface


def show_surface(runs: list[Run], found: Dataset, x: Tensor) -> None:
    """The learned curve or surface among the data, its tangents at the point, and where the model pulls."""
    if not is_point_cloud(found):
        st.info(
            "Only data of two or three columns can be drawn as they are. Try the runs swiss-roll-vanilla, "
            "s-curve-vae or circles-denoising.",
            icon=":material/info:",
        )
        return
    for run, column in zip(runs, st.columns(len(runs), gap="large"), strict=True):
        with column:
            net, point = get_model(run), codes_at(run, x)
            st.markdown(f"**{get_variant_label(run)}** {run.id}")
            drawn = load_learned_sheet(str(run.path), run.version(), found.name, run, found)
            tangent = (
                None
                if has_countable_codes(run)
                else point.frame.inputs[:, : min(2, x.shape[1] - 1)] * net.scale[:, None]
            )
            figure = draw_manifold(
                found.train.x[:1000].numpy(),
                drawn.sheet,
                drawn.points,
                drawn.arrows,
                point.rebuilt[0].numpy(),
                None if tangent is None else tangent.numpy(),
                get_variant_colour(net.config.variant),
            )
            st.plotly_chart(
                figure,
                key=f"surface-{run.id}",
                alt="Data, learned manifold, tangents and the pull of the model",
            )
    st.caption(
        "Grey: data. Coloured: what the decoder draws over the range of the codes. Diamond: the chosen input's "
        "reconstruction, with its tangents. Arrows: where the model moves points around the data, "
        "r(x) - x; a denoiser's are the slope of the log-density (Alain & Bengio, 2014)."
    )


class LearnedSheet(NamedTuple):
    """What is drawn of a model in the data's own space."""

    sheet: (
        np.ndarray | None
    )  # (n, features) a curve or (n, n, features) a surface; None for wider codes
    points: np.ndarray  # (m, features) around the data
    arrows: np.ndarray  # (m, features) r(x) - x


@st.cache_resource(max_entries=16, show_spinner="Drawing the surface ...")
def load_learned_sheet(
    path: str, version: float, name: str, _run: Run, _found: Dataset
) -> LearnedSheet:
    net = get_model(_run)
    x = _found.train.x[:1000]
    z = encode_in_chunks(net, x)
    low, high = z.quantile(0.01, 0), z.quantile(0.99, 0)
    sheet = None
    if z.shape[1] == 1:
        sheet = decode_in_chunks(
            net, torch.linspace(0, 1, 200)[:, None] * (high - low) + low
        ).numpy()
    elif z.shape[1] == 2 and x.shape[1] == 3:
        u = torch.linspace(0, 1, 60)
        codes = torch.cartesian_prod(u, u) * (high - low) + low
        near = torch.cdist((codes - low) / (high - low), (z - low) / (high - low)).amin(1) < 0.06
        drawn = torch.where(
            near[:, None], decode_in_chunks(net, codes), torch.nan
        )  # only where there are codes
        sheet = drawn.view(60, 60, 3).numpy()
    if x.shape[1] == 2:
        margin = 0.2 * x.std(0)
        ends = [
            torch.linspace(float(a), float(b), 14)
            for a, b in zip(x.amin(0) - margin, x.amax(0) + margin, strict=True)
        ]
        points = torch.cartesian_prod(*ends)
    else:
        noise = torch.randn(PULLED_EXAMPLES, x.shape[1], generator=torch.Generator().manual_seed(0))
        points = x[:PULLED_EXAMPLES] + 0.3 * x.std(0) * noise
    return LearnedSheet(sheet, points.numpy(), reconstruction_shift(net, points).numpy())
