"""Lesson: contraction; what the encoder's Jacobian forgets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.manifold import (
    compute_encoder_jacobians,
    compute_image_tangents,
    estimate_local_dimension,
)
from aecore.analysis.pictures import colour_signed, draw_grid, make_tiles
from ui.kit.examples import show_image
from ui.kit.figures import LEGEND_BELOW, finish_figure, get_variant_colour
from ui.kit.memory import keep_in_memory
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import (
    VARIANCE_LOST_HELP,
    choose_digit,
    choose_level,
    load_lesson_model,
    load_test_digits,
    measure_share_lost,
)

SHOWN_DIRECTIONS = 8
MEASURED_DIGITS = 20


class Sensitivity(NamedTuple):
    """How far codes of test digits move when the digits change by one unit of length."""

    moved: float  # shifted, turned, scaled or sheared
    noisy: float  # in a random direction


def show_contraction_experiment() -> None:
    """Show which changes of a digit move the code, and how strongly."""
    left, right = st.columns(2)
    with left:
        help = "λ = 0 is no penalty at all."
        weight = choose_level("contractive", "Weight of the penalty, λ", "0.1", help)
    with right:
        x = choose_digit("learn-contractive-digit", 3)
    _, strengths, directions = torch.linalg.svd(differentiate_encoder(weight, x))
    shown = directions[:SHOWN_DIRECTIONS].view(-1, *x.shape[1:])
    show_image(
        draw_grid(torch.cat([make_tiles(x), colour_signed(shown)]), 1 + SHOWN_DIRECTIONS),
        f"The digit, and the {SHOWN_DIRECTIONS} changes of it that move the code most",
    )
    st.caption(
        "The digit, and the changes that move its code most: red pixels grow and blue ones shrink "
        "together."
    )
    free = torch.linalg.svdvals(differentiate_encoder("0", x))
    dimension = float(estimate_local_dimension(strengths))
    show_lesson_chart(
        draw_strengths(free.numpy(), strengths.numpy(), weight),
        key="learn-contractive-chart",
        alt=f"Singular values of the Jacobian without penalty and with λ = {weight}; "
        f"{dimension:.0f} directions share most of the second",
    )
    moves, error = measure_sensitivity(weight), measure_share_lost("contractive", weight)
    st.caption(
        f"The code follows about **{dimension:.0f}** of 64 directions. Shifting, turning or "
        f"stretching a digit moves the code by {moves.moved:.2f} per unit of change, noise by "
        f"{moves.noisy:.2f}: **{moves.moved / moves.noisy:.2f} to 1**. Variance lost: **{error}**.",
        help=f"Directions: (Σs²)² / Σs⁴ over the singular values s. {VARIANCE_LOST_HELP}",
    )


def differentiate_encoder(weight: str, x: Tensor) -> Tensor:
    """Returns the Jacobian (units, 64) of a model's encoder at one digit x (1, 1, 8, 8)."""
    return compute_encoder_jacobians(load_lesson_model("contractive", weight), x)[0]


@keep_in_memory()
def measure_sensitivity(weight: str) -> Sensitivity:
    """Returns how far a model's codes move with digits that move, and with noise, on average."""
    x = load_test_digits()[:MEASURED_DIGITS]
    jacobians = compute_encoder_jacobians(load_lesson_model("contractive", weight), x)
    tangents = compute_image_tangents(x)
    noise = torch.randn(tangents.shape, generator=torch.Generator().manual_seed(0))
    noise /= noise.norm(dim=-1, keepdim=True)
    moved, noisy = (
        float((change @ jacobians.mT).norm(dim=-1).mean()) for change in (tangents, noise)
    )
    return Sensitivity(moved, noisy)


def draw_strengths(free: np.ndarray, strengths: np.ndarray, weight: str) -> go.Figure:
    """Draws the singular values without a penalty and with one, the largest first."""
    figure = go.Figure()
    numbers = np.arange(1, len(strengths) + 1)
    grey, colour = (
        {"color": "#999999", "dash": "dash"},
        {"color": get_variant_colour("contractive")},
    )
    figure.add_scatter(x=numbers, y=free, name="without penalty, λ = 0", line=grey)
    figure.add_scatter(x=numbers, y=strengths, name=f"λ = {weight}", line=colour | {"width": 3})
    figure.update_xaxes(title="direction, the strongest first")
    figure.update_yaxes(title="singular value", range=[0, 1.9])
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.28})
    return finish_figure(figure, 300)


CONTRACTION = Lesson(
    name="contraction",
    title="Contraction",
    sentence="The penalty of a contractive autoencoder grows with **every movement of its code**. "
    "So the code follows only what the decoder needs to tell digits apart, and ignores the rest.",
    show_experiment=show_contraction_experiment,
    look_at="A singular value says how far the code moves when the digit changes in one "
    "direction. Raise λ: the curve falls, but first and most at its end. Few directions are left. "
    "Their pictures leave the corners, where digits have no ink, and gather on the strokes.",
    formula=stack_lines(
        r"\min_{f, g}\; \sum_x \lVert x - g(f(x)) \rVert^2",
        r"\qquad\quad + \lambda \lVert J_f(x) \rVert_F^2",
    ),
    symbols={
        "x": "input: 64 pixels",
        "f, g": "encoder and decoder: 128 sigmoid units",
        "J_f(x)": "Jacobian: row j is the slope of code unit j in each pixel",
        r"\lVert \cdot \rVert_F^2": "sum of squares of all entries: of all squared singular values",
        r"\lambda": "weight of the penalty: the slider",
    },
    question="At λ = 1 nearly all directions are gone. Why is that not the best encoder?",
    answer="Because it forgot too much: its reconstructions lose half of the variance. The error "
    "and the penalty pull against each other. Between both, the code keeps the directions in "
    "which **data vary** and drops those that only noise uses: an estimate of the data's tangent "
    "plane, which is the next lesson.",
    next_page=NextPage("manifold.py", "See tangents of other models", {}),
    variant="contractive",
    source="[Rifai et al. (2011), Contractive Auto-Encoders]"
    "(https://icml.cc/2011/papers/455_icmlpaper.pdf)",
)
