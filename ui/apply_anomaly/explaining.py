"""Why an example scores high: what was expected of it, where it differs, and the normal ones that are nearest."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.metrics import encode_in_chunks, reconstruct_in_chunks
from aecore.analysis.pictures import colour_signed, draw_grid
from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.anomaly import compute_scaled_residuals
from aecore.tasks.search import SearchIndex, build_index
from ui.apply_anomaly.charts import draw_residual_bars
from ui.apply_anomaly.scoring import ScoredInputs, is_normal_row, list_own_classes, spell_class
from ui.kit.cache import get_codes, get_model
from ui.kit.examples import (
    enlarge_examples,
    format_cards,
    is_point_cloud,
    make_example_table,
    show_cloud,
    show_example_table,
)
from ui.kit.inputs import Inputs, make_split_inputs

NEAREST_NORMAL, RESIDUAL_BARS = 8, 12
P_VALUE_HELP = (
    "The share of the normal examples behind the threshold that score as high: small is unusual."
)


def show_explanation(
    run: Run, found: Dataset, given: Inputs, judged: ScoredInputs, i: int, at: float
) -> None:
    """One example: what was expected of it, where it differs, and the normal ones nearest to it."""
    net, x = get_model(run), as_float(judged.x[i : i + 1])
    rebuilt, residual = reconstruct_in_chunks(net, x), compute_scaled_residuals(net, x)
    value, p = float(judged.scores[i]), float(judged.detector.p_values_of_scores(judged.scores[i : i + 1]))
    verdict = "above" if value > at else "below"
    kind = list_kinds(given, judged, torch.tensor([i]))[0]
    st.markdown(
        f"**{name_example(given, judged, i)}**{kind}: score {value:.4g}, {verdict} the threshold; p = {p:.2g}",
        help=P_VALUE_HELP,
    )
    places = st.columns([3, 2], gap="large") if x.dim() == 4 or is_point_cloud(found) else (st, st)
    with places[0].container():
        if x.dim() == 4:
            show_pixel_residuals(net, x, rebuilt, residual)
        else:
            show_column_residuals(found, x[0], rebuilt[0], residual[0])
    with places[1].container():
        show_nearest_normal(run, found, x, rebuilt, residual, judged.normal)


def show_pixel_residuals(net: Any, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """A picture, what the model makes of it, and their difference."""
    limit = float(residual.abs().max()) or 1.0
    difference = enlarge_examples(net, colour_signed(residual, limit))
    tiles = torch.cat([enlarge_examples(net, x), enlarge_examples(net, rebuilt), difference])
    st.image(
        draw_grid(tiles, 3),
        width="stretch",
        alt="The picture, what the model expected, and their difference",
    )
    st.caption(
        f"The picture, what the model expected, and their difference: red brighter, blue darker than expected, "
        f"full at {limit:.2g}."
    )


def show_column_residuals(found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor) -> None:
    """The columns that make the score, the largest first."""
    names = list(found.columns) or [f"x{i}" for i in range(len(x))]
    order = residual.abs().argsort(descending=True)[:RESIDUAL_BARS].tolist()
    about = [f"{names[j]}: {x[j]:.4g}, expected {rebuilt[j]:.4g}" for j in order]
    figure = draw_residual_bars([names[j] for j in order], residual[order].numpy(), about)
    st.plotly_chart(
        figure, key="why", alt=f"Residuals by column. {about[0]}", config={"displayModeBar": False}
    )
    share = float(residual[order].square().sum() / residual.square().sum().clamp(min=1e-12))
    st.caption(
        f"The {len(order)} columns that make {share:.0%} of the score; red is more than expected, blue less."
    )


def show_nearest_normal(
    run: Run, found: Dataset, x: Tensor, rebuilt: Tensor, residual: Tensor, names: tuple[str, ...]
) -> None:
    """The normal training examples of the nearest codes."""
    net, names = get_model(run), list_own_classes(run, found, names)
    index, rows = load_normal_codes(str(run.path), run.version(), found.name, names, run, found)
    near = index.find_nearest(encode_in_chunks(net, x), NEAREST_NORMAL if x.dim() == 4 else 3)
    at = rows[near.rows[0]]
    close = make_split_inputs(found, "train").x[at]
    what = f"the {len(at)} nearest normal training examples"
    if is_point_cloud(found):
        show_cloud(
            found, {"nearest": close, "input": x, "expected": rebuilt}, f"The input, and {what}"
        )
        return
    if x.dim() == 2:
        shown = {"value": x[0], "expected": rebuilt[0]} | {
            f"nearest {i + 1}": row for i, row in enumerate(close)
        }
        show_example_table(
            make_example_table(found, shown).iloc[
                residual[0].abs().argsort(descending=True).numpy()
            ]
        )
        st.caption(f"In the data's units, beside {what}, by code.")
        return
    st.html(
        format_cards(
            net,
            as_float(close),
            [f"No. {row}" for row in at.tolist()],
            [f"{d:.3g}" for d in near.distances[0].tolist()],
        )
    )
    st.caption(f"{what[0].upper()}{what[1:]}, by code, with the distance to each.")


@st.cache_resource(max_entries=8, show_spinner="Encoding normal examples ...")
def load_normal_codes(
    path: str, version: float, name: str, names: tuple[str, ...], _run: Run, _found: Dataset
) -> tuple[SearchIndex, Tensor]:
    """The codes of the normal training examples, and their rows."""
    codes = torch.from_numpy(get_codes(_run, "train")[0])
    y = None if _found.train.y is None else _found.train.y[: len(codes)]
    rows = is_normal_row(y, _found.classes, names, len(codes)).nonzero().flatten()
    return build_index(codes[rows]), rows


def list_kinds(given: Inputs, judged: ScoredInputs, at: Tensor) -> list[str]:
    """The class of each, with a comma before it; nothing where there is none."""
    if given.y is None or not given.classes:
        return [""] * len(at)
    return [f", {spell_class(given.classes[int(given.y[row])])}" for row in judged.rows[at]]


def name_example(given: Inputs, judged: ScoredInputs, i: int) -> str:
    row = int(judged.rows[i])
    return given.names[row] if given.names else f"row {row}" if given.x.dim() == 2 else f"No. {row}"
