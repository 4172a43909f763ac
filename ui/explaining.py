"""Why an example scores high: what was expected of it, where it differs, and the normal ones that are nearest."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from torch import Tensor

from aecore import data, metrics
from aecore.data import Dataset
from aecore.pictures import grid, signed
from aecore.runs import Run
from aecore.tasks import anomaly, search
from aecore.tasks.search import Index
from ui import cache, charts, examples, inputs, scoring
from ui.inputs import Inputs
from ui.scoring import Scored

NEAR, BARS = 8, 12
P_HELP = "The share of the normal examples behind the threshold that score as high: small is unusual."


def explain(run: Run, found: Dataset, given: Inputs, judged: Scored, i: int, at: float) -> None:
    """One example: what was expected of it, where it differs, and the normal ones nearest to it."""
    net, x = cache.model(run), data.as_float(judged.x[i : i + 1])
    rebuilt, residual = metrics.reconstruct(net, x), anomaly.residuals(net, x)
    value, p = float(judged.scores[i]), float(judged.detector.p_of(judged.scores[i : i + 1]))
    verdict = "above" if value > at else "below"
    kind = kinds(given, judged, torch.tensor([i]))[0]
    st.markdown(
        f"**{named(given, judged, i)}**{kind}: score {value:.4g}, {verdict} the threshold; p = {p:.2g}", help=P_HELP
    )
    places = st.columns([3, 2], gap="large") if x.dim() == 4 or examples.is_cloud(found) else (st, st)
    with places[0].container():
        if x.dim() == 4:
            pixels(net, x, rebuilt, residual)
        else:
            columns(found, x[0], rebuilt[0], residual[0])
    with places[1].container():
        nearest(run, found, x, rebuilt, residual, judged.normal)


def pixels(net: Any, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """A picture, what the model makes of it, and their difference."""
    limit = float(residual.abs().max()) or 1.0
    difference = examples.large(net, signed(residual, limit))
    tiles = torch.cat([examples.large(net, x), examples.large(net, rebuilt), difference])
    st.image(grid(tiles, 3), width="stretch", alt="The picture, what the model expected, and their difference")
    st.caption(f"The picture, what the model expected, and their difference: red brighter, blue darker than expected, "
               f"full at {limit:.2g}.")  # fmt: skip


def columns(found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """The columns that make the score, the largest first."""
    names = list(found.columns) or [f"x{i}" for i in range(len(x))]
    order = residual.abs().argsort(descending=True)[:BARS].tolist()
    about = [f"{names[j]}: {x[j]:.4g}, expected {rebuilt[j]:.4g}" for j in order]
    figure = charts.residual_bars([names[j] for j in order], residual[order].numpy(), about)
    st.plotly_chart(figure, key="why", alt=f"Residuals by column. {about[0]}", config={"displayModeBar": False})
    share = float(residual[order].square().sum() / residual.square().sum().clamp(min=1e-12))
    st.caption(f"The {len(order)} columns that make {share:.0%} of the score; red is more than expected, blue less.")


def nearest(run: Run, found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor,
            names: tuple[str, ...]) -> None:  # fmt: skip
    """The normal training examples of the nearest codes."""
    net, names = cache.model(run), scoring.own_names(run, found, names)
    index, rows = load_normal(str(run.path), run.version(), found.name, names, run, found)
    near = index.nearest(metrics.encode(net, x), NEAR if x.dim() == 4 else 3)
    at = rows[near.rows[0]]
    close = inputs.of(found, "train").x[at]
    what = f"the {len(at)} nearest normal training examples"
    if examples.is_cloud(found):
        examples.show_cloud(found, {"nearest": close, "input": x, "expected": rebuilt}, f"The input, and {what}")
        return
    if x.dim() == 2:
        shown = {"value": x[0], "expected": rebuilt[0]} | {f"nearest {i + 1}": row for i, row in enumerate(close)}
        examples.show_table(examples.table(found, shown).iloc[residual[0].abs().argsort(descending=True).numpy()])
        st.caption(f"In the data's units, beside {what}, by code.")
        return
    st.html(examples.cards(net, data.as_float(close), [f"No. {row}" for row in at.tolist()],
                           [f"{d:.3g}" for d in near.distances[0].tolist()]))  # fmt: skip
    st.caption(f"{what[0].upper()}{what[1:]}, by code, with the distance to each.")


@st.cache_resource(max_entries=8, show_spinner="Encoding normal examples ...")
def load_normal(
    path: str, version: float, name: str, names: tuple[str, ...], _run: Run, _found: Dataset
) -> tuple[Index, Tensor]:
    """The codes of the normal training examples, and their rows."""
    codes = torch.from_numpy(cache.codes(_run, "train")[0])
    y = None if _found.train.y is None else _found.train.y[: len(codes)]
    rows = scoring.is_normal(y, _found.classes, names, len(codes)).nonzero().flatten()
    return search.index(codes[rows]), rows


def kinds(given: Inputs, judged: Scored, at: Tensor) -> list[str]:
    """The class of each, with a comma before it; nothing where there is none."""
    if given.y is None or not given.classes:
        return [""] * len(at)
    return [f", {scoring.classed(given.classes[int(given.y[row])])}" for row in judged.rows[at]]


def named(given: Inputs, judged: Scored, i: int) -> str:
    row = int(judged.rows[i])
    return given.names[row] if given.names else f"row {row}" if given.x.dim() == 2 else f"No. {row}"
