"""Lesson: from points to distributions; the weight of the KL term, and collapse."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import draw_strip, make_tiles
from ui.kit.examples import show_image
from ui.kit.figures import CLASS_COLOURS, finish_figure
from ui.kit.memory import keep_in_memory
from ui.kit.surface_chart import make_trace
from ui.learn.charts import show_lesson_chart
from ui.learn.lesson import Lesson, NextPage, stack_lines
from ui.learn.models import (
    choose_level,
    find_digit_rows,
    load_lesson_data,
    load_lesson_model,
    load_test_digits,
    measure_spread,
    sum_squares,
)
from ui.learn.variational import (
    Posterior,
    add_prior_circles,
    encode_posterior,
    frame_plane,
    make_ellipse,
)

SHOWN_ELLIPSES = 80
SHOWN_DIGIT = 3  # the class of the digit whose code is drawn
PICTURE_WIDTH = 128  # pixels


def show_distributions_experiment() -> None:
    """Show the posteriors of test digits in the plane of codes, and a draw from one of them."""
    left, right = st.columns(2)
    with left:
        beta = choose_level("beta", "Weight of the KL term, β", "0.1", "β = 1 is the ELBO itself.")
    noise = right.slider(
        "Noise of the draw, ε",
        -3.0,
        3.0,
        1.0,
        0.1,
        key="learn-beta-noise",
        help="z = μ + σ ε, here with the same ε in both dimensions. Training draws it from N(0, 1) "
        "each time.",
    )
    model = load_lesson_model("beta", beta)
    row = find_digit_rows()[SHOWN_DIGIT]
    x, posterior = load_test_digits()[row : row + 1], load_posterior(beta)
    mean, deviation = posterior.mean[row], posterior.deviation[row]
    z = mean + noise * deviation
    show_lesson_chart(
        draw_posteriors(posterior, row, z),
        key="learn-beta-chart",
        alt=f"Posterior ellipses of test digits for β = {beta}, and the prior",
    )
    pictures = torch.cat([x, model.decode(torch.stack([mean, z]))])
    show_image(
        draw_strip(make_tiles(pictures), PICTURE_WIDTH),
        "The digit, its mean code decoded, and the drawn code decoded",
        width=3 * (PICTURE_WIDTH + 4),
    )
    rate, error = measure_rate_and_error(beta)
    st.caption(
        f"A test digit, its mean μ decoded, the drawn z decoded. Over all test digits: KL "
        f"**{rate:.2f} nats**, variance lost **{error:.0f} %**."
    )


@keep_in_memory()
def load_posterior(beta: str) -> Posterior:
    """Returns the posteriors of all test digits."""
    return encode_posterior(load_lesson_model("beta", beta), load_test_digits())


@keep_in_memory()
def measure_rate_and_error(beta: str) -> tuple[float, float]:
    """Returns the mean KL in nats, and the variance lost in percent when means are decoded."""
    posterior, x = load_posterior(beta), load_test_digits()
    rebuilt = load_lesson_model("beta", beta).decode(posterior.mean)
    error = float(sum_squares(rebuilt - x).mean())
    return float(posterior.measure_kl().mean()), 100 * error / measure_spread()


def draw_posteriors(posterior: Posterior, row: int, z: Tensor) -> go.Figure:
    """Draws the ellipses of some digits by class, that of one row with a draw, and the prior."""
    figure = go.Figure()
    add_prior_circles(figure)
    labels = load_lesson_data().test.y
    assert labels is not None
    for label, colour in enumerate(CLASS_COLOURS):
        rows = (labels[:SHOWN_ELLIPSES] == label).nonzero()[:, 0].tolist()
        line = {"color": colour, "width": 1.5}
        outlines = join_ellipses(posterior, rows)
        figure.add_trace(make_trace(outlines, mode="lines", name=str(label), line=line))
    colour = CLASS_COLOURS[SHOWN_DIGIT]
    thick = {"color": colour, "width": 6}
    ellipse = make_ellipse(posterior.mean[row], posterior.deviation[row])
    figure.add_trace(make_trace(ellipse, mode="lines", name="this 3, 1 σ", line=thick))
    outline = {"color": "#777777", "width": 2}
    marker = {"symbol": "diamond", "size": 13, "color": colour, "line": outline}
    drawn = z[None].numpy()
    figure.add_trace(make_trace(drawn, mode="markers", name="drawn z", marker=marker))
    frame_plane(figure, 4.5)
    return finish_figure(figure, 370)


def join_ellipses(posterior: Posterior, rows: list[int]) -> np.ndarray:
    """Returns the outlines of some rows one after the other, with gaps between them."""
    gap = np.full((1, 2), np.nan)
    parts = [
        np.concatenate([make_ellipse(posterior.mean[row], posterior.deviation[row]), gap])
        for row in rows
    ]
    return np.concatenate(parts) if parts else gap


DISTRIBUTIONS = Lesson(
    name="distributions",
    title="From points to distributions",
    sentence="A variational encoder gives not a point but a **Gaussian**: a mean μ and a "
    "standard deviation σ for each number of the code. The KL term pulls all of them towards the "
    "**prior** N(0, I), from which new codes are drawn.",
    show_experiment=show_distributions_experiment,
    look_at="At β = 0.01 the ellipses are nearly points, far apart, with holes between them. Raise "
    "β: they grow, move together and fill the prior's circle, so that a draw from the prior meets "
    "a digit. At β = 4 every ellipse **is** the prior: the code says nothing, and all digits "
    "decode to the same blur. That is posterior collapse.",
    formula=stack_lines(
        r"z = \mu + \sigma \varepsilon, \quad \varepsilon \sim N(0, I)",
        r"\min\; \mathbb{E}[-\ln p(x \mid z)]",
        r"\qquad + \beta\, \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))",
    ),
    symbols={
        r"\mu, \sigma": "mean and standard deviation: what the encoder gives for x",
        r"\varepsilon": "noise: all randomness is here, so gradients pass through μ and σ "
        "(reparameterisation)",
        "q(z|x)": "posterior: N(μ, σ²), an ellipse",
        "p(z)": "prior: N(0, I), the dotted circles",
        r"\mathrm{KL}": "divergence: how much the ellipse differs from the prior, in nats "
        "(1 nat = 1.44 bits)",
        r"\beta": "weight: the first slider",
    },
    question="A model has collapsed: KL near 0, every reconstruction the same. What cures it?",
    answer="A smaller price for the information in the code. Lower β: slide back to 1, and digits "
    "differ again. The same happens when the decoder's noise variance is learned or "
    "set smaller, when the KL term fades in slowly at the start of the training, or when the "
    "first nats are free (free bits).",
    next_page=NextPage("latent.py", "Explore the codes of a VAE", {"run": "mnist-vae"}),
    variant="vae",
    source="[Kingma & Welling (2013), Auto-Encoding Variational Bayes]"
    "(https://arxiv.org/abs/1312.6114)",
)
