"""Lesson: generation and interpolation; where between two codes is a digit."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.latent import interpolate_codes
from aecore.analysis.pictures import draw_grid, make_tiles
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from ui.kit.examples import show_image
from ui.kit.memory import keep_in_memory
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import find_digit_rows, load_lesson_data, load_lesson_model, load_test_digits

LINE_SAMPLES, STEPS = 12, 12
PAIRS = ("2 and 7", "0 and 1", "3 and 8", "4 and 9", "6 and 5")


def show_generation_experiment() -> None:
    """Show digits drawn from the prior, and ways from one digit to another."""
    left, right = st.columns(2)
    width = left.slider(
        "Width of the draws, s",
        0.0,
        3.0,
        1.0,
        0.1,
        key="learn-draw-width",
        help="Codes are drawn from N(0, s²). s = 1 is the prior.",
    )
    pair = right.select_slider("Start and end", PAIRS, key="learn-pair", help="Two test digits.")
    vae, plain = load_lesson_model("prior", "8"), load_lesson_model("code", "8")
    for name, model in {"VAE": vae, "Autoencoder": plain}.items():
        show_draws(name, model, width)
    ends = load_test_digits()[[find_digit_rows()[int(digit)] for digit in pair.split(" and ")]]
    ways = [decode_way(vae, ends), decode_way(plain, ends), mix_pixels(ends)]
    show_image(
        draw_grid(make_tiles(torch.cat(ways)), STEPS),
        f"Three ways between {pair}: codes of the VAE, of the autoencoder, and pixels",
    )
    st.caption(
        f"From {pair.replace('and', 'to')}: through the codes of the VAE, through those of the "
        "autoencoder, and by mixing pixels."
    )


def show_draws(name: str, model: Autoencoder, width: float) -> None:
    """Show what a model makes of codes drawn from N(0, width^2), and how near they are to data."""
    z = width * torch.randn(2 * LINE_SAMPLES, 8, generator=torch.Generator().manual_seed(0))
    x = model.decode(z)
    show_image(
        draw_grid(make_tiles(x), LINE_SAMPLES),
        f"{name}: {len(x)} codes drawn from N(0, {width:.1f}²), decoded",
    )
    distance = measure_data_distance(x)
    st.caption(
        f"**{name}**, draws. Distance to the nearest training digit: **{distance:.2f}** "
        f"(test digits: {measure_test_distance():.2f})"
    )


@keep_in_memory()
def load_training_rows() -> Tensor:
    """Returns the training digits as rows (N, 64)."""
    return as_float(load_lesson_data().train.x).flatten(1)


def measure_data_distance(x: Tensor) -> float:
    """Returns the distance of pictures (N, 1, 8, 8) to the nearest training digit, on average."""
    return float(torch.cdist(x.flatten(1), load_training_rows()).amin(1).mean())


@keep_in_memory()
def measure_test_distance() -> float:
    """Returns the distance of test digits to the nearest training digit, on average."""
    return measure_data_distance(load_test_digits())


def decode_way(model: Autoencoder, ends: Tensor) -> Tensor:
    """Returns the decoded codes on the straight way between two digits, (STEPS, 1, 8, 8)."""
    start, end = model.encode(ends)
    return model.decode(interpolate_codes(start, end, STEPS))


def mix_pixels(ends: Tensor) -> Tensor:
    """Returns mixtures of two pictures (2, 1, 8, 8), from one to the other."""
    start, end = ends.flatten(1)
    return interpolate_codes(start, end, STEPS).view(STEPS, *ends.shape[1:])


GENERATION = Lesson(
    name="generation",
    title="Generation and interpolation",
    sentence="A decoder turns **any** code into a picture. Whether it is a digit depends on where "
    "the codes of real digits lie: in a VAE the KL term puts them around the prior.",
    show_experiment=show_generation_experiment,
    look_at="At s = 1 the VAE draws digits. The plain autoencoder was never told where its codes "
    "should lie: draws from N(0, 1) fall between them and are smears. At s = 0 all draws are the "
    "same picture; at s = 3 both leave the data. Below: on the way by code, strokes bend and move; "
    "by pixels, the old ones fade out while the new ones fade in.",
    formula=stack_lines(
        r"x = g(z), \quad z \sim N(0, s^2 I)",
        r"x_t = g\big((1 - t)\, f(x_A) + t\, f(x_B)\big)",
    ),
    symbols={
        "z": "code: 8 numbers",
        "g": "decoder",
        "s": "width of the draws: the prior has s = 1",
        "f": "encoder: of the VAE, its mean",
        "t": "share of the way: from 0 at digit A to 1 at digit B",
    },
    question="How could one draw good digits from the plain autoencoder without training it again?",
    answer="Look where its codes lie, and draw from there: fit a density, such as a mixture of "
    "Gaussians, to the codes of the training digits, and sample that (Ghosh et al., 2020). The "
    "page Generate does so for every model without a prior.",
    next_page=NextPage("generate.py", "Generate with larger models", {"run": "mnist-conv-vae"}),
    variant="vae",
)
