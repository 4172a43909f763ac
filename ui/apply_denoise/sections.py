"""What the Denoise page is made of: a corruption, pictures before and after, and where each denoiser breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import (
    SheetBlock,
    choose_tile_width,
    draw_sheet,
    draw_strip,
    encode_png,
    make_tiles,
)
from aecore.data.splits import Dataset, as_float
from aecore.errors import AecoreError
from aecore.model.parts.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from aecore.runs.run import Run
from aecore.tasks.denoise import (
    DenoisedExamples,
    LinearDenoiser,
    compare_denoisers,
    compare_noise_strengths,
    fit_linear_denoiser,
)
from ui.apply_denoise.charts import draw_noise_strengths
from ui.kit.cache import digest_examples, get_model
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.runs import get_variant_label
from ui.kit.strips import format_strips

NOISE_KINDS = {"Gaussian": GaussianNoise, "Masking": Masking, "Salt and pepper": SaltAndPepper}
NOISE_HELP = (
    "**Gaussian**: noise of this standard deviation, where pixels span 0 to 1. **Masking**: this share of pixels is "
    "set to 0. **Salt and pepper**: this share becomes 0 or 1."
)
NOISE_STRENGTHS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
MEASURED_PICTURES, SWEPT_PICTURES = 32, 16  # pictures behind the figures
LINEAR_EXAMPLES = 10_000  # training pictures behind the best linear denoiser
SWEEPABLE_NOISES = 1024  # values of a picture up to which that is found for every strength
BASELINE_NAMES = "#888888"


def make_noise(kind: str, strength: float) -> Corruption:
    return (
        GaussianNoise(sigma=strength)
        if kind == "Gaussian"
        else NOISE_KINDS[kind](fraction=strength)
    )


def show_noise_controls() -> tuple[str, float, int, int]:
    """The kind of noise, its strength, how many pictures are shown, and which."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kind = row.segmented_control(
        "Noise",
        list(NOISE_KINDS),
        default="Gaussian",
        required=True,
        key="noise",
        bind="query-params",
        help=NOISE_HELP,
    )
    strength = row.slider(
        "Strength", 0.05, 1.0, 0.5, 0.05, key="strength", bind="query-params", width=220
    )
    count = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=160)
    seed = row.number_input(
        "Seed",
        0,
        2**31,
        0,
        key="pick",
        bind="query-params",
        width=120,
        help="Which pictures are drawn, and which noise.",
    )
    return kind, strength, count, int(seed or 0)


def show_denoised(chosen: Sequence[Run], found: Dataset, inputs: Inputs) -> None:
    """The same pictures clean, noisy, and through every filter and run."""
    kind, strength, count, seed = show_noise_controls()
    rows = torch.randperm(len(inputs.x), generator=torch.Generator().manual_seed(seed))[
        :MEASURED_PICTURES
    ]
    x, count = as_float(inputs.x[rows]), min(count, len(rows))
    results = denoise_with_all(chosen, found, x, make_noise(kind, strength), seed)
    width = choose_tile_width(found.input_shape)

    def line(images: Tensor) -> object:
        return draw_strip(make_tiles(images[:count]), width)

    parts = [SheetBlock("Clean", inputs.name, BASELINE_NAMES, {"input": line(x)})]
    for one in results:
        run = next((run for run in chosen if run.id == one.name), None)
        title, detail = (
            (get_variant_label(run), f"{run.id}, {format_denoised(one)}")
            if run
            else (one.name, format_denoised(one))
        )
        tint = get_variant_colour(run.config().model.variant) if run else BASELINE_NAMES
        parts.append(SheetBlock(title[0].upper() + title[1:], detail, tint, {"": line(one.x)}))
    st.html(format_strips(parts, count))
    st.caption(
        f"PSNR in dB and SSIM: higher is better; SE, summed over pixels: lower. Means over {len(x)} pictures. "
        "The best linear denoiser is exact for this noise and the training set's covariance."
    )
    table = pd.DataFrame(
        [
            {"denoiser": one.name, "PSNR": one.psnr, "SSIM": one.ssim, "SE": one.se}
            for one in results
        ]
    )
    row = st.container(horizontal=True)
    row.download_button(
        "Picture as PNG",
        lambda: encode_png(draw_sheet(parts, f"{kind} noise, {strength:g}")),
        "denoised.png",
        "image/png",
        on_click="ignore",
        icon=":material/image:",
    )
    row.download_button(
        "Figures as CSV",
        lambda: table.to_csv(index=False),
        "denoised.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
    )


def format_denoised(one: DenoisedExamples) -> str:
    parts = [f"PSNR {one.psnr:.1f} dB", f"SE {one.se:.3g}"]
    return ", ".join(parts if one.ssim is None else [parts[0], f"SSIM {one.ssim:.2f}", parts[1]])


def denoise_with_all(
    chosen: Sequence[Run], found: Dataset, x: Tensor, noise: Corruption, seed: int
) -> list[DenoisedExamples]:
    """Noisy pictures through every filter and run."""
    versions = tuple((str(run.path), run.version()) for run in chosen)
    return load_denoised(
        versions,
        found.name,
        digest_examples(x),
        noise.model_dump_json(),
        seed,
        x,
        chosen,
        found,
        noise,
    )


@st.cache_data(max_entries=16, show_spinner="Cleaning ...")
def load_denoised(
    versions: object,
    name: str,
    pictures: str,
    kind: str,
    seed: int,
    _x: Tensor,
    _chosen: Sequence[Run],
    _found: Dataset,
    _noise: Corruption,
) -> list[DenoisedExamples]:
    models = {run.id: get_model(run) for run in _chosen}
    return compare_denoisers(
        models, _x, _noise, load_linear_denoiser(name, kind, _found, _noise), seed
    )


@st.cache_resource(max_entries=16, show_spinner="Finding the best linear denoiser ...")
def load_linear_denoiser(
    name: str, kind: str, _found: Dataset, _noise: Corruption
) -> LinearDenoiser | None:
    """None where pictures are too large for it."""
    try:
        return fit_linear_denoiser(as_float(_found.train.x[:LINEAR_EXAMPLES]), _noise)
    except AecoreError:
        return None


# -- where each breaks


def show_noise_strengths(chosen: Sequence[Run], found: Dataset, inputs: Inputs) -> None:
    """PSNR over strengths of the chosen noise."""
    st.subheader("Where each breaks", anchor=False)
    kind = st.session_state.get("noise") or "Gaussian"
    x = as_float(inputs.x[:SWEPT_PICTURES])
    versions = tuple((str(run.path), run.version()) for run in chosen)
    lines = load_strength_sweep(versions, found.name, digest_examples(x), kind, x, chosen, found)
    tints = {run.id: get_variant_colour(run.config().model.variant) for run in chosen}
    st.plotly_chart(
        draw_noise_strengths(lines, tints, f"strength of the noise ({kind.lower()})"),
        key="strengths",
        alt=f"PSNR over the strength of {kind.lower()} noise, for each denoiser",
    )
    st.caption(
        f"Means over {len(x)} pictures; higher is better. A run is at its best near the noise that it was "
        "trained with."
    )


@st.cache_data(max_entries=16, show_spinner="Trying weaker and stronger noise ...")
def load_strength_sweep(
    versions: object,
    name: str,
    pictures: str,
    kind: str,
    _x: Tensor,
    _chosen: Sequence[Run],
    _found: Dataset,
) -> Mapping[str, list[tuple[float, float]]]:
    models = {run.id: get_model(run) for run in _chosen}
    noises = [make_noise(kind, strength) for strength in NOISE_STRENGTHS]
    train = _found.train.x[:LINEAR_EXAMPLES] if _x[0].numel() <= SWEEPABLE_NOISES else None
    lines: dict[str, list[tuple[float, float]]] = {}
    for strength, results in zip(
        NOISE_STRENGTHS, compare_noise_strengths(models, _x, noises, train), strict=True
    ):
        for one in results:
            lines.setdefault(one.name, []).append((strength, one.psnr))
    return lines
