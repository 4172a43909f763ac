"""The same pictures clean, noisy, and through every filter and run."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
import torch
from PIL import Image
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
from aecore.model.config import DataConfig
from aecore.model.parts.corruption import Corruption
from aecore.runs.run import Run
from aecore.tasks.denoise import (
    DenoisedExamples,
    LinearDenoiser,
    compare_denoisers,
    fit_linear_denoiser,
)
from ui.apply_denoise.noise import NoiseChoice, make_noise
from ui.kit.cache import digest_examples, get_model
from ui.kit.downloads import offer_csv, offer_download
from ui.kit.figures import UNKNOWN_COLOUR, get_baseline_colour, get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory
from ui.kit.runs import get_variant_label
from ui.kit.strips import format_strips

MEASURED_PICTURES = 32  # behind the figures
LINEAR_EXAMPLES = 10_000  # training pictures behind the best linear denoiser


def show_denoised(
    runs: Sequence[Run], dataset: Dataset, inputs: Inputs, choice: NoiseChoice
) -> None:
    """Show the same pictures clean, noisy, and through every filter and run, with their figures."""
    generator = torch.Generator().manual_seed(choice.seed)
    rows = torch.randperm(len(inputs.x), generator=generator)[:MEASURED_PICTURES]
    x = as_float(inputs.x[rows])
    noise = make_noise(choice.kind, choice.strength)
    results = denoise_with_all(runs, dataset, x, noise, choice.seed)
    count = min(choice.shown, len(rows))
    blocks = make_denoised_blocks(runs, dataset, inputs.name, x, results, count)
    st.html(format_strips(blocks, count))
    st.caption(
        "PSNR in dB and SSIM: higher is better; SE, summed over pixels: lower. Means over "
        f"{len(x)} pictures. The best linear denoiser is exact for this noise and the training "
        "set's covariance."
    )
    row = st.container(horizontal=True)
    footer = f"{choice.kind} noise, {choice.strength:g}"
    offer_download(
        "Picture as PNG", lambda: encode_png(draw_sheet(blocks, footer)), "denoised.png", row
    )
    table = tabulate_denoised(results)
    offer_csv("Figures as CSV", lambda: table, "denoised.csv", row)


def make_denoised_blocks(
    runs: Sequence[Run],
    dataset: Dataset,
    name: str,
    x: Tensor,
    results: Sequence[DenoisedExamples],
    count: int,
) -> list[SheetBlock]:
    """Returns the first `count` clean pictures of x, called `name`, and a block for each result."""
    width = choose_tile_width(dataset.input_shape)
    runs_by_id = {run.id: run for run in runs}

    def draw_line(images: Tensor) -> Image.Image:
        return draw_strip(make_tiles(images[:count]), width)

    blocks = [SheetBlock("Clean", name, UNKNOWN_COLOUR, {"input": draw_line(x)})]
    for result in results:
        title, detail, colour = (
            result.name,
            format_denoised(result),
            get_baseline_colour(result.name),
        )
        if run := runs_by_id.get(result.name):
            title, detail = get_variant_label(run), f"{run.id}, {detail}"
            colour = get_variant_colour(run.config().model.variant)
        title = title[0].upper() + title[1:]
        blocks.append(SheetBlock(title, detail, colour, {"": draw_line(result.x)}))
    return blocks


def format_denoised(result: DenoisedExamples) -> str:
    """Returns the figures of a denoiser in words."""
    parts = [f"PSNR {result.psnr:.1f} dB"]
    if result.ssim is not None:
        parts.append(f"SSIM {result.ssim:.2f}")
    return ", ".join([*parts, f"SE {result.se:.3g}"])


def tabulate_denoised(results: Sequence[DenoisedExamples]) -> pd.DataFrame:
    """Returns the figures, a line for each denoiser."""
    return pd.DataFrame(
        [
            {
                "denoiser": result.name,
                "PSNR": result.psnr,
                "SSIM": result.ssim,
                "SE": result.se,
            }
            for result in results
        ]
    )


# -- denoising


def denoise_with_all(
    runs: Sequence[Run], dataset: Dataset, x: Tensor, noise: Corruption, seed: int
) -> list[DenoisedExamples]:
    """Returns noisy pictures x (N, C, H, W), and what every filter and run makes of them."""
    return load_denoised(
        tuple((str(run.path), run.version()) for run in runs),
        dataset.name,
        digest_examples(x),
        noise.model_dump_json(),
        seed,
        x,
        runs,
        dataset,
        noise,
    )


@keep_in_memory("Cleaning ...")
def load_denoised(
    versions: object,
    data_name: str,
    digest: ExamplesKey,
    noise_json: str,
    seed: int,
    _x: Tensor,
    _runs: Sequence[Run],
    _dataset: Dataset,
    _noise: Corruption,
) -> list[DenoisedExamples]:
    """Returns pictures, which `digest` identifies, through every filter and run."""
    models = {run.id: get_model(run) for run in _runs}
    data = (_runs[0].config().data, data_name)  # sets of different visitors may have one name
    linear = load_linear_denoiser(data, noise_json, _dataset, _noise)
    return compare_denoisers(models, _x, _noise, linear, seed)


@keep_in_memory("Finding the best linear denoiser ...")
def load_linear_denoiser(
    data: tuple[DataConfig | None, str], noise_json: str, _dataset: Dataset, _noise: Corruption
) -> LinearDenoiser | None:
    """Returns the best linear denoiser of a noise; None where pictures are too large for it."""
    try:
        return fit_linear_denoiser(as_float(_dataset.train.x[:LINEAR_EXAMPLES]), _noise)
    except AecoreError:
        return None
