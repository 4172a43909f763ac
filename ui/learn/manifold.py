"""Lesson: the manifold hypothesis; a surface, its tangents and its dimension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from aecore.analysis.latent import fit_pca
from aecore.analysis.manifold import compute_decoder_jacobians, decode_sheet, decompose_jacobian
from aecore.files import SHIPPED_FOLDER
from aecore.model.autoencoder import Autoencoder
from ui.kit.figures import CLASS_COLOURS, LEGEND_BELOW, finish_figure, get_variant_colour
from ui.kit.memory import keep_in_memory
from ui.kit.surface_chart import (
    DATA_COLOUR,
    make_point_trace,
    make_sheet_trace,
    make_tangent_trace,
    make_trace,
)
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import load_lesson_data

COUNTS = (10, 20, 50, 100, 200, 500, 1000)
NEAR_COLOUR = CLASS_COLOURS[1]
TANGENT_REACH = 6.0
CAMERA = {"eye": {"x": 0.25, "y": -1.7, "z": 0.35}}  # nearly along the roll
SURFACE_OPACITY = 0.35  # data behind it stay visible


class Neighbourhood(NamedTuple):
    """A point of the roll, the model's tangents there, and the data around it."""

    point: np.ndarray  # (3,), reconstructed
    directions: np.ndarray  # (3, 2), in which the decoder moves
    neighbours: np.ndarray  # (count, 3)
    shares: np.ndarray  # (3,) of their variance, the largest direction first


def show_manifold_experiment() -> None:
    """Show a rolled-up sheet, the tangent plane at a point, and the dimension around it."""
    left, right = st.columns(2)
    position = left.slider(
        "Position along the roll, %",
        0,
        100,
        60,
        5,
        key="learn-roll-position",
        help="Where the point lies, from the inner end of the sheet to the outer one.",
    )
    count = right.select_slider(
        "Neighbours",
        COUNTS,
        50,
        key="learn-roll-count",
        help="How many of the nearest data points to look at.",
    )
    place = measure_neighbourhood(position, count)
    shares = [f"{100 * share:.0f}\u00a0%" for share in place.shares]
    show_lesson_chart(
        draw_roll(place),
        key="learn-roll-chart",
        alt=f"A rolled-up sheet with {count} neighbours of a point and its tangent plane; the "
        f"neighbours' variance in three directions: {', '.join(shares)}",
    )
    st.caption(
        f"Variance of the {count} neighbours in their three principal directions: "
        f"**{', '.join(shares)}**."
    )


@keep_in_memory()
def load_roll_model() -> Autoencoder:
    """Returns the shipped model of the Swiss roll, whose code is two numbers."""
    return Autoencoder.load(SHIPPED_FOLDER / "swiss-roll-vanilla")


@keep_in_memory()
def load_roll_sheet() -> np.ndarray | None:
    """Returns the surface that the model has learned, (n, n, 3)."""
    return decode_sheet(load_roll_model(), load_lesson_data("swiss-roll").train.x)


def measure_neighbourhood(position: int, count: int) -> Neighbourhood:
    """Returns what is around the data point at so many percent of the way along the roll."""
    x, model = load_lesson_data("swiss-roll").train.x, load_roll_model()
    radius = x[:, [0, 2]].norm(dim=1)  # grows along the sheet
    start = x[find_roll_row(radius, x[:, 1], position)]
    z = model.encode(start[None])
    frame = decompose_jacobian(compute_decoder_jacobians(model, z)[0])
    directions = frame.inputs[:, :2] * model.scale[:, None]
    nearest = torch.cdist(start[None], x)[0].topk(count, largest=False).indices
    neighbours = x[nearest].numpy()
    shares = fit_pca(neighbours, 3).explained_variance_ratio_
    return Neighbourhood(model.decode(z)[0].numpy(), directions.numpy(), neighbours, shares)


def find_roll_row(radius: torch.Tensor, height: torch.Tensor, position: int) -> int:
    """Returns the row at a share of the way along the roll, in the middle of the sheet's height."""
    wanted = radius.quantile(0.02 + 0.96 * position / 100)
    return int(((radius - wanted).square() + 0.1 * (height - height.mean()).square()).argmin())


def draw_roll(place: Neighbourhood) -> go.Figure:
    """Draws data, the learned surface, the neighbours of a point and its tangent plane."""
    figure = go.Figure()
    x = load_lesson_data("swiss-roll").train.x.numpy()
    ground = {"size": 2, "color": DATA_COLOUR}
    figure.add_trace(make_trace(x, mode="markers", name="data", marker=ground))
    if (sheet := load_roll_sheet()) is not None:
        surface = make_sheet_trace(sheet, get_variant_colour("vanilla"))
        figure.add_trace(surface.update(opacity=SURFACE_OPACITY))
    near = {"size": 3, "color": NEAR_COLOUR}
    figure.add_trace(make_trace(place.neighbours, mode="markers", name="neighbours", marker=near))
    figure.add_trace(make_tangent_trace(place.point, place.directions, TANGENT_REACH))
    figure.add_trace(make_point_trace(place.point))
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.02}, scene_camera=CAMERA)
    figure.update_layout(scene_aspectmode="data", uirevision="roll")
    return finish_figure(figure, 430)


MANIFOLD = Lesson(
    name="manifold",
    title="The manifold hypothesis",
    sentence="Data fill only a thin part of their space: near a **manifold** of few dimensions. "
    "These points have three numbers, but lie on a rolled-up sheet. Two numbers say where on it.",
    show_experiment=show_manifold_experiment,
    look_at="The blue surface is what the decoder draws from two numbers. The green plane is its "
    "tangent: the directions in which one can move and still meet data. Look at few neighbours: "
    "two directions hold all of their variance, so the dimension is 2. Turn the picture by "
    "dragging.",
    formula=stack_lines(
        r"x \approx g(z)",
        r"T_x = \mathrm{span}\left\{ \tfrac{\partial g}{\partial z_1}, "
        r"\tfrac{\partial g}{\partial z_2} \right\}",
    ),
    symbols={
        "x": "data point: three numbers",
        "z": "coordinates on the sheet: the code, two numbers",
        "g": "decoder: its image is the surface",
        "T_x": "tangent plane: all directions along the surface at x",
    },
    question="With 1,000 neighbours all three directions hold variance. Has the sheet become "
    "three-dimensional?",
    answer="No. Over so large a neighbourhood the sheet **bends**, and even other turns of the "
    "roll count as neighbours. Dimension is a local property: look closer than the sheet bends, "
    "but not closer than the noise and the gaps between the points.",
    next_page=NextPage(
        "manifold.py", "Measure dimension and tangents", {"run": "swiss-roll-vanilla"}
    ),
    variant="vanilla",
)
