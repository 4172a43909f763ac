"""Lesson: the bottleneck; a wider code loses less."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from aecore.analysis.latent import fit_pca
from aecore.data.splits import as_float
from ui.kit.examples import draw_pairs, show_image
from ui.kit.figures import (
    CLASS_COLOURS,
    LEGEND_BELOW,
    finish_figure,
    get_variant_colour,
    make_decade_axis,
)
from ui.kit.memory import keep_in_memory
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import (
    VARIANCE_LOST_HELP,
    choose_level,
    find_digit_rows,
    list_levels,
    load_lesson_data,
    load_lesson_model,
    load_test_digits,
    measure_spread,
    measure_squared_error,
    to_rows,
)


def show_bottleneck_experiment() -> None:
    """Show digits rebuilt from a code of the chosen size, and the error of all sizes."""
    size = choose_level("code", "Numbers in the code", "2", "The latent dimension.")
    model = load_lesson_model("code", size)
    digits = load_test_digits()[list(find_digit_rows())]
    show_image(
        draw_pairs(model, digits, model.reconstruct(digits), len(digits)),
        f"Ten test digits above their reconstructions from {size} numbers",
    )
    st.caption("Test digits above their reconstructions.")
    errors, pca_errors = measure_size_errors()
    show_lesson_chart(
        draw_size_errors(errors, pca_errors, size),
        key="learn-size-chart",
        alt=f"Error by code size; with {size} numbers {errors[size]:.1f} % of the variance is lost",
    )
    st.caption(
        f"64 pixels through {size}: **{errors[size]:.3g} %** of the test digits' variance is lost; "
        f"with PCA {pca_errors[size]:.3g} %.",
        help=VARIANCE_LOST_HELP,
    )


@keep_in_memory()
def measure_size_errors() -> tuple[dict[str, float], dict[str, float]]:
    """Returns for each code size the share of variance lost, in percent: autoencoder and PCA."""
    x, spread = load_test_digits(), measure_spread()
    rows, training_rows = to_rows(x), to_rows(as_float(load_lesson_data().train.x))
    errors, pca_errors = {}, {}
    for size in list_levels("code"):
        errors[size] = 100 * measure_squared_error(load_lesson_model("code", size), x) / spread
        pca = fit_pca(training_rows, int(size))
        rebuilt = pca.inverse_transform(pca.transform(rows))
        pca_errors[size] = 100 * float(np.square(rebuilt - rows).sum(1).mean()) / spread
    return errors, pca_errors


def draw_size_errors(
    errors: dict[str, float], pca_errors: dict[str, float], size: str
) -> go.Figure:
    """Draws both curves over the size of the code, and a mark at one size."""
    figure = go.Figure()
    sizes = [int(level) for level in errors]
    colour = get_variant_colour("vanilla")
    dashed = {"color": CLASS_COLOURS[1], "dash": "dash"}
    figure.add_scatter(x=sizes, y=list(pca_errors.values()), name="PCA", line=dashed)
    figure.add_scatter(x=sizes, y=list(errors.values()), name="autoencoder", line={"color": colour})
    marker = {"size": 14, "color": colour, "symbol": "diamond"}
    figure.add_scatter(
        x=[int(size)], y=[errors[size]], mode="markers", name=f"{size} numbers", marker=marker
    )
    figure.update_xaxes(
        type="log", tickvals=sizes, ticktext=list(errors), title="numbers in the code"
    )
    figure.update_yaxes(**make_decade_axis(), title="variance lost, %")
    figure.update_layout(legend=LEGEND_BELOW | {"y": -0.28})
    return finish_figure(figure, 290)


BOTTLENECK = Lesson(
    name="bottleneck",
    title="The bottleneck",
    sentence="A digit of **64 pixels** has to pass through a code of fewer numbers. What does not "
    "fit is lost, so training keeps what digits differ in most.",
    show_experiment=show_bottleneck_experiment,
    look_at="With 1 or 2 numbers little more than the class survives, and similar digits merge. "
    "Slant and thickness come with 4 to 8. Compare the curves: with few numbers the autoencoder, "
    "which is nonlinear, loses far less than PCA, which is linear.",
    formula=stack_lines(r"\min_{f, g}\; \sum_x \lVert x - g(f(x)) \rVert^2,", r"\dim z \ll \dim x"),
    symbols={
        "x": "input: 64 pixels between 0 and 1",
        "f": "encoder: a network with one hidden layer",
        "g": "decoder: the same, mirrored",
        "z = f(x)": "code: as many numbers as the slider says",
    },
    question="Both curves meet at 32 numbers. Is the network useless there?",
    answer="For the error, hardly: so wide a code lets even straight lines keep nearly everything, "
    "and PCA finds its optimum exactly while a network is trained approximately. A nonlinear "
    "autoencoder pays where the code is **much smaller** than what the linear one needs. Always "
    "compare with PCA of the same size.",
    next_page=NextPage("compare.py", "Compare runs of other sizes", {}),
    variant="vanilla",
)
