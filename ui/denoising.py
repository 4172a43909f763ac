"""What the Denoise page is made of: a corruption, pictures before and after, and where each denoiser breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore import data
from aecore.data import Dataset
from aecore.errors import AecoreError
from aecore.parts.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from aecore.pictures import Block, png, sheet, strip, tile_width, tiles
from aecore.runs import Run
from aecore.tasks import denoise
from aecore.tasks.denoise import Cleaned, LinearDenoiser
from ui import cache, charts, comparison, figures, state
from ui.inputs import Inputs

NOISES = {"Gaussian": GaussianNoise, "Masking": Masking, "Salt and pepper": SaltAndPepper}
ABOUT = (
    "**Gaussian**: noise of this standard deviation, where pixels span 0 to 1. **Masking**: this share of pixels is "
    "set to 0. **Salt and pepper**: this share becomes 0 or 1."
)
STRENGTHS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
MEASURED, SWEPT = 32, 16  # pictures behind the figures
TRAINED = 10_000  # training pictures behind the best linear denoiser
SWEEPABLE = 1024  # values of a picture up to which that is found for every strength
BASELINE = "#888888"


def made(kind: str, strength: float) -> Corruption:
    return GaussianNoise(sigma=strength) if kind == "Gaussian" else NOISES[kind](fraction=strength)


def controls() -> tuple[str, float, int, int]:
    """The kind of noise, its strength, how many pictures are shown, and which."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kind = row.segmented_control("Noise", list(NOISES), default="Gaussian", required=True, key="noise",
                                 bind="query-params", help=ABOUT)  # fmt: skip
    strength = row.slider("Strength", 0.05, 1.0, 0.5, 0.05, key="strength", bind="query-params", width=220)
    count = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=160)
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120,
                            help="Which pictures are drawn, and which noise.")  # fmt: skip
    return kind, strength, count, int(seed or 0)


def before_and_after(chosen: Sequence[Run], found: Dataset, inputs: Inputs) -> None:
    """The same pictures clean, noisy, and through every filter and run."""
    kind, strength, count, seed = controls()
    rows = torch.randperm(len(inputs.x), generator=torch.Generator().manual_seed(seed))[:MEASURED]
    x, count = data.as_float(inputs.x[rows]), min(count, len(rows))
    results = cleaned(chosen, found, x, made(kind, strength), seed)
    width = tile_width(found.input_shape)

    def line(images: Tensor) -> object:
        return strip(tiles(images[:count]), width)

    parts = [Block("Clean", inputs.name, BASELINE, {"input": line(x)})]
    for one in results:
        run = next((run for run in chosen if run.id == one.name), None)
        title, detail = (state.label_of(run), f"{run.id}, {figures_of(one)}") if run else (one.name, figures_of(one))
        tint = figures.colour(run.config().model.variant) if run else BASELINE
        parts.append(Block(title[0].upper() + title[1:], detail, tint, {"": line(one.x)}))
    st.html(comparison.as_html(parts, count))
    st.caption(f"PSNR in dB and SSIM: higher is better; SE, summed over pixels: lower. Means over {len(x)} pictures. "
               "The best linear denoiser is exact for this noise and the training set's covariance.")  # fmt: skip
    table = pd.DataFrame([{"denoiser": one.name, "PSNR": one.psnr, "SSIM": one.ssim, "SE": one.se} for one in results])
    row = st.container(horizontal=True)
    row.download_button("Picture as PNG", lambda: png(sheet(parts, f"{kind} noise, {strength:g}")), "denoised.png",
                        "image/png", on_click="ignore", icon=":material/image:")  # fmt: skip
    row.download_button("Figures as CSV", lambda: table.to_csv(index=False), "denoised.csv", "text/csv",
                        on_click="ignore", icon=":material/table:")  # fmt: skip


def figures_of(one: Cleaned) -> str:
    parts = [f"PSNR {one.psnr:.1f} dB", f"SE {one.se:.3g}"]
    return ", ".join(parts if one.ssim is None else [parts[0], f"SSIM {one.ssim:.2f}", parts[1]])


def cleaned(chosen: Sequence[Run], found: Dataset, x: Tensor, noise: Corruption, seed: int) -> list[Cleaned]:
    """Noisy pictures through every filter and run."""
    versions = tuple((str(run.path), run.version()) for run in chosen)
    return load_cleaned(versions, found.name, cache.digest(x), noise.model_dump_json(), seed, x, chosen, found, noise)


@st.cache_data(max_entries=16, show_spinner="Cleaning ...")
def load_cleaned(
    versions: object, name: str, pictures: str, kind: str, seed: int,
    _x: Tensor, _chosen: Sequence[Run], _found: Dataset, _noise: Corruption,
) -> list[Cleaned]:  # fmt: skip
    models = {run.id: cache.model(run) for run in _chosen}
    return denoise.compare(models, _x, _noise, linear(name, kind, _found, _noise), seed)


@st.cache_resource(max_entries=16, show_spinner="Finding the best linear denoiser ...")
def linear(name: str, kind: str, _found: Dataset, _noise: Corruption) -> LinearDenoiser | None:
    """None where pictures are too large for it."""
    try:
        return denoise.best_linear(data.as_float(_found.train.x[:TRAINED]), _noise)
    except AecoreError:
        return None


# -- where each breaks


def strengths(chosen: Sequence[Run], found: Dataset, inputs: Inputs) -> None:
    """PSNR over strengths of the chosen noise."""
    st.subheader("Where each breaks", anchor=False)
    kind = st.session_state.get("noise") or "Gaussian"
    x = data.as_float(inputs.x[:SWEPT])
    versions = tuple((str(run.path), run.version()) for run in chosen)
    lines = load_sweep(versions, found.name, cache.digest(x), kind, x, chosen, found)
    tints = {run.id: figures.colour(run.config().model.variant) for run in chosen}
    st.plotly_chart(charts.strengths(lines, tints, f"strength of the noise ({kind.lower()})"), key="strengths",
                    alt=f"PSNR over the strength of {kind.lower()} noise, for each denoiser")  # fmt: skip
    st.caption(f"Means over {len(x)} pictures; higher is better. A run is at its best near the noise that it was "
               "trained with.")  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Trying weaker and stronger noise ...")
def load_sweep(
    versions: object, name: str, pictures: str, kind: str, _x: Tensor, _chosen: Sequence[Run], _found: Dataset
) -> Mapping[str, list[tuple[float, float]]]:
    models = {run.id: cache.model(run) for run in _chosen}
    noises = [made(kind, strength) for strength in STRENGTHS]
    train = _found.train.x[:TRAINED] if _x[0].numel() <= SWEEPABLE else None
    lines: dict[str, list[tuple[float, float]]] = {}
    for strength, results in zip(STRENGTHS, denoise.sweep(models, _x, noises, train), strict=True):
        for one in results:
            lines.setdefault(one.name, []).append((strength, one.psnr))
    return lines
