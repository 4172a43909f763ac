"""Lesson: denoising; a field of arrows that leads back to the data."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from aecore.analysis.manifold import reconstruction_shift
from aecore.model.autoencoder import Autoencoder
from ui.kit.figures import (
    CLASS_COLOURS,
    LEGEND_BELOW,
    finish_figure,
    get_variant_colour,
    scale_axes_alike,
)
from ui.kit.memory import keep_in_memory
from ui.kit.surface_chart import DATA_COLOUR, LearnedSurface, add_arrows, make_trace
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import choose_level, load_lesson_data, load_lesson_model

SHOWN_POINTS, NOISY_POINTS = 500, 60
POINT_NOISE = 0.35  # standard deviation, in the units of the columns
LATTICE = (np.linspace(-1.9, 2.9, 17), np.linspace(-1.3, 1.8, 12))
MAX_STEPS = 10
START_COLOUR = CLASS_COLOURS[1]


def show_denoising_experiment() -> None:
    """Show where a denoising autoencoder moves points of the plane, and noisy points on the way."""
    left, right = st.columns(2)
    with left:
        sigma = choose_level(
            "noise",
            "Noise in training, σ",
            "0.2",
            "Standard deviation of the noise added to each input, as a multiple of the data's own.",
        )
    steps = right.slider(
        "Passes through the model",
        0,
        MAX_STEPS,
        1,
        key="learn-noise-steps",
        help="How many times in a row the noisy points go through the model.",
    )
    path = follow_points(sigma)
    show_lesson_chart(
        draw_field(load_field(sigma), path, steps),
        key="learn-noise-chart",
        alt=f"Arrows from each place to its reconstruction, for noise {sigma} in training, and "
        f"noisy points after {steps} steps",
    )
    before, after = (measure_distance(points) for points in (path[0], path[steps]))
    st.caption(
        f"Distance to the nearest data point, on average: {before:.3f} with noise, "
        f"**{after:.3f}** after {steps} pass{'es' * (steps != 1)}."
    )


@keep_in_memory()
def load_field(sigma: str) -> LearnedSurface:
    """Returns the arrows r(x) - x of a model on a lattice of the plane."""
    starts = np.stack(np.meshgrid(*LATTICE), -1).reshape(-1, 2).astype(np.float32)
    model = load_lesson_model("noise", sigma)
    arrows = reconstruction_shift(model, torch.from_numpy(starts)).numpy()
    return LearnedSurface(None, starts, arrows)


@keep_in_memory()
def follow_points(sigma: str) -> np.ndarray:
    """Returns noisy test points on their way through a model: (MAX_STEPS + 1, N, 2)."""
    model: Autoencoder = load_lesson_model("noise", sigma)
    x = load_lesson_data("moons").test.x[:NOISY_POINTS]
    generator = torch.Generator().manual_seed(0)
    path = [x + POINT_NOISE * torch.randn(x.shape, generator=generator)]
    for _ in range(MAX_STEPS):
        path.append(model.reconstruct(path[-1]))
    return torch.stack(path).numpy()


def measure_distance(points: np.ndarray) -> float:
    """Returns the mean distance of points (N, 2) to the nearest training point."""
    x = load_lesson_data("moons").train.x
    return float(torch.cdist(torch.from_numpy(points), x).amin(1).mean())


def draw_field(field: LearnedSurface, path: np.ndarray, steps: int) -> go.Figure:
    """Draws data, the arrows of a field, and points on their way after some steps."""
    figure = go.Figure()
    x = load_lesson_data("moons").train.x[:SHOWN_POINTS].numpy()
    ground = {"size": 4, "color": DATA_COLOUR}
    figure.add_trace(make_trace(x, mode="markers", name="data", marker=ground))
    add_arrows(figure, field)
    way = path[: steps + 1]
    gaps = np.full((1, *way.shape[1:]), np.nan, way.dtype)
    lines = np.concatenate([way, gaps]).transpose(1, 0, 2).reshape(-1, 2)
    thin = {"color": START_COLOUR, "width": 1}
    figure.add_trace(make_trace(lines, mode="lines", name="way", line=thin, showlegend=False))
    hollow = {"size": 6, "color": START_COLOUR, "symbol": "circle-open"}
    figure.add_trace(make_trace(path[0], mode="markers", name="noisy", marker=hollow))
    full = {"size": 7, "color": get_variant_colour("vae")}
    figure.add_trace(make_trace(path[steps], mode="markers", name="after", marker=full))
    figure.update_xaxes(range=[-2.1, 3.1])
    figure.update_yaxes(range=[-1.5, 2.0])
    scale_axes_alike(figure)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.1})
    return finish_figure(figure, 420)


DENOISING = Lesson(
    name="denoising",
    title="Denoising",
    sentence="A denoising autoencoder gets the input **with noise** and has to give back the clean "
    "one. To do so it must know where data lie: copying does not help.",
    show_experiment=show_denoising_experiment,
    look_at="Each yellow line starts at a point of the plane and ends, at its dot, where the "
    "model moves that point. Without noise in training (σ = 0) the points stay: this model has 16 "
    "code units for 2 numbers, and copies. With noise, the lines lead to the two moons. Raise the "
    "passes: the points gather on the curves.",
    formula=stack_lines(
        r"\min_{f, g}\; \mathbb{E} \lVert x - g(f(x + \sigma \varepsilon)) \rVert^2",
        r"r(\tilde x) - \tilde x \approx \sigma^2 \nabla \log p(\tilde x)",
    ),
    symbols={
        "x": "clean input",
        r"\varepsilon": "noise: drawn anew from N(0, I) at each step",
        r"\sigma": "noise level: the first slider",
        r"r = g \circ f": "reconstruction",
        r"\nabla \log p": "score: the direction in which data get denser fastest",
    },
    question="Why does a very large σ pull the points off the moons, into the space between them?",
    answer="The best answer to a noisy input is the **mean** of all clean points that it may have "
    "come from. With much noise a point may have come from either moon, and the mean of two "
    "curves lies between them. Diffusion models solve this by removing the noise in many small "
    "steps, from large σ to small.",
    next_page=NextPage("apply_denoise.py", "Denoise pictures", {}),
    variant="denoising-gaussian",
)
