"""Lesson: why a code wider than the input copies, and what stops it."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import SheetBlock, draw_strip, make_tiles
from ui.kit.figures import LEGEND_BELOW, finish_figure, get_variant_colour
from ui.kit.memory import keep_in_memory
from ui.kit.strips import format_strips
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import (
    find_digit_rows,
    load_lesson_model,
    load_test_digits,
    measure_spread,
    measure_squared_error,
)

SHARES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)  # percent of the pixels
TILE_WIDTH = 56
MODELS = {  # name -> family and level
    "128 units, free": ("wide", "copy"),
    "128 units, denoising": ("wide", "denoising"),
    "128 units, contractive": ("contractive", "0.1"),
    "128 units, 8 active": ("sparse", "8"),
    "8 units": ("code", "8"),
}


def show_copying_experiment() -> None:
    """Show scrambled digits, what five models make of them, and the errors of all shares."""
    share = st.select_slider(
        "Pixels taken from other digits, %",
        SHARES,
        0,
        key="learn-scrambled",
        help="Each pixel keeps the values that it has in digits, but they no longer fit together.",
    )
    x = scramble_digits(share)[list(find_digit_rows())]
    st.html(format_strips(make_copy_blocks(x), len(x)))
    show_lesson_chart(
        draw_copy_errors(measure_copy_errors(), share),
        key="learn-copy-chart",
        alt=f"Squared error of each model by the share of scrambled pixels, at {share} %",
    )


@keep_in_memory()
def scramble_digits(share: int) -> Tensor:
    """Returns the test digits with so many percent of the pixels taken from other test digits."""
    x = load_test_digits()
    generator = torch.Generator().manual_seed(0)
    flat = x.flatten(1)
    others = flat.gather(0, torch.rand(flat.shape, generator=generator).argsort(0))
    is_other = torch.rand(flat.shape, generator=generator) < share / 100
    return torch.where(is_other, others, flat).view_as(x)


@keep_in_memory()
def measure_copy_errors() -> dict[str, list[float]]:
    """Returns for each model its squared error at each share, as a share of the variance, %."""
    return {
        name: [
            100
            * measure_squared_error(load_lesson_model(*key), scramble_digits(share))
            / measure_spread()
            for share in SHARES
        ]
        for name, key in MODELS.items()
    }


def make_copy_blocks(x: Tensor) -> list[SheetBlock]:
    """Returns a block of the inputs x (N, 1, 8, 8), and one for what the models make of them."""
    strips = {"input": x}
    for name, key in MODELS.items():
        strips[name] = load_lesson_model(*key).reconstruct(x)
    pictures = {name: draw_strip(make_tiles(images), TILE_WIDTH) for name, images in strips.items()}
    return [SheetBlock("", "", "transparent", pictures)]


def draw_copy_errors(errors: dict[str, list[float]], share: int) -> go.Figure:
    """Draws a line for each model over the shares, and a mark at one."""
    figure = go.Figure()
    for name, values in errors.items():
        colour = get_variant_colour(load_lesson_model(*MODELS[name]).config.variant)
        figure.add_scatter(x=SHARES, y=values, name=name, line={"color": colour, "width": 3})
    figure.add_vline(x=share, line={"color": "#999999", "dash": "dot"})
    figure.update_xaxes(title="pixels taken from other digits, %")
    figure.update_yaxes(title="variance lost, %", rangemode="tozero")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.3})
    return finish_figure(figure, 300)


COPYING = Lesson(
    name="copying",
    title="Wider codes copy",
    sentence="With a code **wider than the input**, 128 numbers for 64 pixels, a perfect score is "
    "easy: copy. Something else than the width must then force the model to learn.",
    show_experiment=show_copying_experiment,
    look_at="At 0 % the free model, which nothing constrains, looks best. Scramble the pixels: it "
    "rebuilds nonsense just as perfectly, so it knows nothing about digits. The others rebuild "
    "nonsense badly, because each of them can best give back what looks like digits.",
    formula=stack_lines(
        r"\dim z \ge \dim x", r"\Rightarrow\; g(f(x)) = x \text{ for all } x \text{ is possible}"
    ),
    symbols={
        "x": "input: 64 pixels",
        "z": "code: 128 numbers, or 8",
        "g(f(x))": "reconstruction: decoder after encoder",
    },
    question="A colleague reports a test error of almost zero for an anomaly detector with 128 "
    "code units. Good news?",
    answer="No. A detector finds odd inputs because they are rebuilt **badly**. A model that "
    "copies rebuilds everything well, so no input looks odd. What stops copying: a narrow code, "
    "noise in training, few active units, or a penalty on the encoder's slope. The next lessons "
    "take these one by one.",
    next_page=NextPage("apply_anomaly.py", "See a detector at work", {}),
    variant="overcomplete",
)
