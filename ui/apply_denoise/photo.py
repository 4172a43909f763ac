"""A photo of any size, cleaned by the runs in overlapping tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st
from torch import Tensor

from aecore.analysis.pictures import draw_picture, encode_png
from aecore.data.images.one_picture import read_whole_picture
from aecore.data.splits import as_float
from aecore.errors import DataError
from aecore.model.parts.corruption import GaussianNoise
from aecore.runs.run import Run
from aecore.tasks.denoise import corrupt_examples, denoise_picture, judge_denoised
from aecore.tasks.rate_files import fit_channels, read_pixel_limit
from ui.apply_denoise.denoised import format_denoised
from ui.kit.cache import get_model
from ui.kit.photo import Photo, ask_for_photo, load_photo_result

PHOTO_NOISES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
PHOTO_NOISE_HELP = (
    "Standard deviation of Gaussian noise that is added before cleaning, where pixels span 0 to 1. "
    "0 for a photo that is noisy already."
)


class CleanedPhoto(NamedTuple):
    """A photo before and after cleaning, as PNG."""

    noisy: bytes
    cleaned: bytes
    noisy_text: str  # its caption
    cleaned_text: str


def show_photo_denoiser(runs: Sequence[Run]) -> None:
    """Show a field for a photo, and the photo cleaned by each run."""
    st.subheader("A photo of any size", anchor=False)
    photo = ask_for_photo()
    if photo is None:
        st.caption(
            "Models of pictures of one size clean larger ones in tiles that overlap and are "
            "blended."
        )
        return
    sigma = st.select_slider(
        "Added noise", PHOTO_NOISES, 0.1, key="photo_noise", width=260, help=PHOTO_NOISE_HELP
    )
    for run in runs:
        cleaned = load_photo_result(
            "denoised-photo",
            f"Cleaning with {run.id} ...",
            run,
            photo,
            (sigma,),
            partial(clean_photo, run, photo, sigma),
        )
        if cleaned is not None:
            show_cleaned_photo(cleaned)


def clean_photo(run: Run, photo: Photo, sigma: float) -> CleanedPhoto:
    """Return a photo with noise of this deviation, and as the run cleans it."""
    model = get_model(run)
    picture = fit_channels(model, read_whole_picture(photo.content, photo.name, read_pixel_limit()))
    check_fits_tiles(picture, model.config.input_shape)
    clean = as_float(picture)
    noisy = corrupt_examples(clean[None], GaussianNoise(sigma=sigma))[0]
    cleaned = denoise_picture(model, noisy).clamp(0, 1)
    known = clean if sigma else None
    return CleanedPhoto(
        encode_png(draw_picture(noisy)),
        encode_png(draw_picture(cleaned)),
        describe_photo(f"Noise {sigma:g}" if sigma else "As brought", noisy.clamp(0, 1), known),
        describe_photo(run.id, cleaned, known),
    )


def check_fits_tiles(picture: Tensor, input_shape: tuple[int, ...]) -> None:
    """DataError for a narrow picture (C, H, W) that tiles would make many times as large."""
    sides = input_shape[1:]
    pixels = math.prod(max(pair) for pair in zip(picture.shape[1:], sides, strict=True))
    if pixels > max(read_pixel_limit(), math.prod(sides)):
        raise DataError(
            f"This photo has {picture.shape[2]} x {picture.shape[1]} pixels: too narrow for tiles "
            f"of {sides[1]} x {sides[0]}. Crop its longer side."
        )


def describe_photo(name: str, x: Tensor, clean: Tensor | None) -> str:
    """Return a caption, with the figures of a picture (C, H, W) where the clean one is known."""
    if clean is None:
        return name
    judged = judge_denoised(name, x[None], clean[None])
    return f"{name}: {format_denoised(judged)}"


def show_cleaned_photo(cleaned: CleanedPhoto) -> None:
    """Show a photo with its noise beside the cleaned one."""
    left, right = st.columns(2)
    for column, image, text in (
        (left, cleaned.noisy, cleaned.noisy_text),
        (right, cleaned.cleaned, cleaned.cleaned_text),
    ):
        column.image(image, width="stretch", caption=text, alt=text)
