"""Lesson: an encoder and a decoder; linear ones learn the line of PCA."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from aecore.analysis.latent import fit_pca
from aecore.model.autoencoder import Autoencoder
from ui.kit.figures import (
    CLASS_COLOURS,
    LEGEND_BELOW,
    finish_figure,
    get_variant_colour,
    scale_axes_alike,
)
from ui.kit.memory import keep_in_memory
from ui.kit.surface_chart import DATA_COLOUR, TANGENT_COLOUR, make_trace
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import choose_level, load_lesson_data, load_lesson_model

SHOWN_POINTS, SHOWN_ERRORS = 400, 60  # of the half moons
LINE_REACH = 2.5  # standard deviations of the codes, to each side
PCA_COLOUR = CLASS_COLOURS[1]


class LearnedLine(NamedTuple):
    """A model of one code unit on points of two columns, and the line of PCA."""

    rebuilt: np.ndarray  # (N, 2) of the points
    ends: np.ndarray  # (2, 2), the decoded codes at both ends of their range
    pca_rebuilt: np.ndarray  # (N, 2)
    error: float  # squared, per point
    pca_error: float
    angle: float  # degrees between the two lines


def show_line_experiment() -> None:
    """Show points, the line that a linear autoencoder has found, and that of PCA."""
    left, right = st.columns(2)
    with left:
        epochs = choose_level("line", "Epochs of training", "1", "Passes over the training points.")
    offset = right.slider(
        "Code z, in standard deviations",
        -LINE_REACH,
        LINE_REACH,
        1.0,
        0.1,
        key="learn-line-code",
        help="How many standard deviations z lies from the mean of all codes. The decoder turns it "
        "into a point: the diamond.",
    )
    x, line = load_moons(), fit_learned_line(epochs)
    z, point = decode_line_code(load_lesson_model("line", epochs), offset)
    show_lesson_chart(
        draw_learned_line(x, line, point),
        key="learn-line-chart",
        alt=f"Half moons, the autoencoder's line after {epochs} epochs, {line.angle:.0f} degrees "
        "from PCA's",
    )
    st.caption(
        f"z = {z:.2f} decodes to ({point[0]:.2f}, {point[1]:.2f}). Squared error per point: "
        f"**{line.error:.3g}**, PCA {line.pca_error:.3g}. "
        f"Angle between the lines: **{line.angle:.1f}°**"
    )


@keep_in_memory()
def load_moons() -> np.ndarray:
    """Returns the training points (N, 2)."""
    return load_lesson_data("moons").train.x.numpy()


@keep_in_memory()
def fit_learned_line(epochs: str) -> LearnedLine:
    """Returns what a model and PCA of one component make of the half moons."""
    model, x = load_lesson_model("line", epochs), load_moons()
    rebuilt = model.reconstruct(torch.from_numpy(x)).numpy()
    ends = np.stack([decode_line_code(model, offset)[1] for offset in (-LINE_REACH, LINE_REACH)])
    pca = fit_pca(x, 1)
    pca_rebuilt = pca.inverse_transform(pca.transform(x))
    error, pca_error = (float(np.square(part - x).sum(1).mean()) for part in (rebuilt, pca_rebuilt))
    angle = measure_angle(ends, pca.components_[0])
    return LearnedLine(rebuilt, ends, pca_rebuilt, error, pca_error, angle)


def measure_angle(ends: np.ndarray, direction: np.ndarray) -> float:
    """Returns the angle in degrees between the line through two points (2, d) and a unit vector."""
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    return float(np.degrees(np.arccos(min(1.0, abs(float(along @ direction))))))


def decode_line_code(model: Autoencoder, offset: float) -> tuple[float, np.ndarray]:
    """Returns the code `offset` deviations from the mean of all codes, and its point (2,)."""
    z = model.encode(torch.from_numpy(load_moons()))
    code = z.mean(0) + offset * z.std(0)
    return float(code), model.decode(code[None])[0].numpy()


def draw_learned_line(x: np.ndarray, line: LearnedLine, point: np.ndarray) -> go.Figure:
    """Draws points (N, 2), both lines, and errors of the autoencoder as segments."""
    figure = go.Figure()
    colour = get_variant_colour("linear")
    ground = {"size": 4, "color": DATA_COLOUR}
    figure.add_trace(make_trace(x[:SHOWN_POINTS], mode="markers", name="data", marker=ground))
    pairs = np.stack([x, line.rebuilt, np.full_like(x, np.nan)], 1)[:SHOWN_ERRORS].reshape(-1, 2)
    thin = {"color": DATA_COLOUR, "width": 1}
    figure.add_trace(make_trace(pairs, mode="lines", name="errors", line=thin))
    thick = {"color": colour, "width": 5}
    figure.add_trace(make_trace(line.ends, mode="lines", name="autoencoder", line=thick))
    order = np.argsort(line.pca_rebuilt[:, 0])[[0, -1]]
    dashed = {"color": PCA_COLOUR, "width": 3, "dash": "dash"}
    figure.add_trace(make_trace(line.pca_rebuilt[order], mode="lines", name="PCA", line=dashed))
    marker = {"symbol": "diamond", "size": 13, "color": TANGENT_COLOUR}
    figure.add_trace(make_trace(point[None], mode="markers", name="decoded z", marker=marker))
    figure.update_xaxes(range=[-1.7, 2.7])
    figure.update_yaxes(range=[-1.2, 1.7])
    scale_axes_alike(figure)
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.1})
    return finish_figure(figure, 380)


LINEAR = Lesson(
    name="linear",
    title="An encoder and a decoder",
    sentence="The **encoder** turns an input into a few numbers, the code. The **decoder** turns "
    "the code back into an input. Here an input is a point in the plane, and its code is "
    "**one number**.",
    show_experiment=show_line_experiment,
    look_at="Move the code: the decoded point runs along a line, the only place that this decoder "
    "can reach. Then move the training on: the line turns until the grey segments, the errors, "
    "are as short as they can be. That is the line of PCA's first component.",
    formula=stack_lines(
        r"z = W_1 x + b_1, \quad \hat x = W_2 z + b_2", r"\min\; \sum_x \lVert x - \hat x \rVert^2"
    ),
    symbols={
        "x": "input: a point, two numbers",
        "W_1, b_1": "encoder: its weights and bias; z is one number",
        "W_2, b_2": "decoder: its weights and biases, from z back to two numbers",
        r"\hat x": "reconstruction: the point on the line at the end of a grey segment",
        r"\mathrm{PCA}": "principal component analysis: finds the directions in which data vary "
        "most, the components",
    },
    question="The autoencoder ends on the first principal component. Is z also the "
    "number that PCA gives?",
    answer="No. If z is doubled and the decoder's weights are halved, the error is the same, so "
    "nothing fixes the scale or the sign of z. With several units the same holds for any "
    "invertible mixing of them: a linear autoencoder finds the **subspace** of PCA, not its axes "
    "(Baldi & Hornik, 1989).",
    next_page=NextPage("train.py", "Train a linear autoencoder", {"variant": "linear"}),
    variant="linear",
)
