"""The explanation of a score: expectation, residuals, and the nearest normal examples."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks, reconstruct_in_chunks
from aecore.analysis.pictures import colour_signed, draw_grid
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.anomaly import compute_scaled_residuals
from aecore.tasks.search import SearchIndex, build_index
from ui.apply_anomaly.charts import draw_residual_bars
from ui.apply_anomaly.normal_classes import list_own_normal_classes, mark_normal, spell_class
from ui.apply_anomaly.scoring import ScoredInputs
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
from ui.kit.memory import keep_in_memory

NEAREST_PICTURES, NEAREST_ROWS = 8, 3
RESIDUAL_BARS = 12
P_VALUE_HELP = (
    "The share of the normal examples behind the threshold that score as high: small is unusual."
)


class ExplainedExample(NamedTuple):
    """One example, what the model makes of it, and the difference."""

    x: Tensor  # (1, *input_shape)
    rebuilt: Tensor  # (1, *input_shape): what was expected
    residual: Tensor  # (1, *input_shape), in scaled units


def show_explanation(
    run: Run,
    dataset: Dataset,
    inputs: Inputs,
    scored: ScoredInputs,
    index: int,
    threshold: float,
) -> None:
    """Show what was expected of a scored example, where it differs, and its nearest normal ones."""
    model, x = get_model(run), as_float(scored.x[index : index + 1])
    example = ExplainedExample(
        x, reconstruct_in_chunks(model, x), compute_scaled_residuals(model, x)
    )
    show_example_score(inputs, scored, index, threshold)
    if x.dim() == 4 or is_point_cloud(dataset):
        left, right = (column.container() for column in st.columns([3, 2], gap="large"))
    else:
        left, right = st.container(), st.container()
    with left:
        if x.dim() == 4:
            show_pixel_residuals(model, example)
        else:
            show_column_residuals(dataset, example)
    with right:
        show_nearest_normal(run, dataset, example, scored.normal)


def show_example_score(inputs: Inputs, scored: ScoredInputs, index: int, threshold: float) -> None:
    """Show the name of a scored example, its class, its score and its p-value."""
    name, kind = name_example(inputs, scored, index), name_class(inputs, scored, index)
    score = float(scored.scores[index])
    p_value = float(scored.detector.p_values_of_scores(scored.scores[index : index + 1]))
    verdict = "above" if score > threshold else "below"
    st.markdown(
        f"**{escape_name(name)}**{escape_name(kind)}: score {score:.4g}, {verdict} the "
        f"threshold; p = {p_value:.2g}",
        help=P_VALUE_HELP,
    )


def name_example(inputs: Inputs, scored: ScoredInputs, index: int) -> str:
    """Returns the file name of a scored example, or its row in the inputs."""
    row = int(scored.rows[index])
    if inputs.names:
        return inputs.names[row]
    return f"row {row}" if inputs.x.dim() == 2 else f"No. {row}"


def name_class(inputs: Inputs, scored: ScoredInputs, index: int) -> str:
    """Returns the class of a scored example after a comma; empty where there are no classes."""
    if inputs.y is None or not inputs.classes:
        return ""
    return f", {spell_class(inputs.classes[int(inputs.y[scored.rows[index]])])}"


# -- residuals


def show_pixel_residuals(model: Autoencoder, example: ExplainedExample) -> None:
    """Show a picture, what the model makes of it, and their difference."""
    limit = float(example.residual.abs().max()) or 1.0
    pictures = (example.x, example.rebuilt, colour_signed(example.residual, limit))
    tiles = torch.cat([enlarge_examples(model, picture) for picture in pictures])
    st.image(
        draw_grid(tiles, 3),
        width="stretch",
        alt="The picture, what the model expected, and their difference",
    )
    st.caption(
        "The picture, what the model expected, and their difference: red brighter, blue darker "
        f"than expected, full at {limit:.2g}."
    )


def show_column_residuals(dataset: Dataset, example: ExplainedExample) -> None:
    """Show the columns that contribute most to the score, the largest first."""
    x, rebuilt, residual = example.x[0], example.rebuilt[0], example.residual[0]
    names = list(dataset.columns) or [f"x{i}" for i in range(len(x))]
    order = residual.abs().argsort(descending=True)[:RESIDUAL_BARS].tolist()
    texts = [f"{names[j]}: {x[j]:.4g}, expected {rebuilt[j]:.4g}" for j in order]
    figure = draw_residual_bars([names[j] for j in order], residual[order].numpy(), texts)
    st.plotly_chart(
        figure, key="why", alt=f"Residuals by column. {texts[0]}", config={"displayModeBar": False}
    )
    share = float(residual[order].square().sum() / residual.square().sum().clamp(min=1e-12))
    st.caption(
        f"The {len(order)} columns that make {share:.0%} of the score; red is more than expected, "
        "blue less."
    )


# -- the nearest normal examples


def show_nearest_normal(
    run: Run, dataset: Dataset, example: ExplainedExample, names: tuple[str, ...]
) -> None:
    """Show the training examples of the normal classes `names` with the nearest codes."""
    model, names = get_model(run), list_own_normal_classes(run, dataset, names)
    index, normal_rows = load_normal_codes(
        str(run.path), run.version(), dataset.name, names, run, dataset
    )
    count = NEAREST_PICTURES if example.x.dim() == 4 else NEAREST_ROWS
    near = index.find_nearest(encode_in_chunks(model, example.x), count)
    rows = normal_rows[near.rows[0]]
    nearest = make_split_inputs(dataset, "train").x[rows]
    text = f"the {len(rows)} nearest normal training examples"
    if is_point_cloud(dataset):
        groups = {"nearest": nearest, "input": example.x, "expected": example.rebuilt}
        show_cloud(dataset, groups, f"The input, and {text}")
    elif example.x.dim() == 2:
        show_nearest_rows(dataset, example, nearest)
        st.caption(f"In the data's units, beside {text}, by code.")
    else:
        names_of_rows = [f"No. {row}" for row in rows.tolist()]
        distances = [f"{distance:.3g}" for distance in near.distances[0].tolist()]
        st.html(format_cards(model, as_float(nearest), names_of_rows, distances))
        st.caption(f"{text[0].upper()}{text[1:]}, by code, with the distance to each.")


def show_nearest_rows(dataset: Dataset, example: ExplainedExample, nearest: Tensor) -> None:
    """Show a row, what was expected, and rows beside it, the most unexpected column first."""
    rows = {"value": example.x[0], "expected": example.rebuilt[0]}
    rows |= {f"nearest {i + 1}": row for i, row in enumerate(nearest)}
    order = example.residual[0].abs().argsort(descending=True).numpy()
    show_example_table(make_example_table(dataset, rows).iloc[order])


@keep_in_memory("Encoding normal examples ...")
def load_normal_codes(
    path: str, version: float, data_name: str, names: tuple[str, ...], _run: Run, _dataset: Dataset
) -> tuple[SearchIndex, Tensor]:
    """Returns an index of the normal training examples' codes, and their rows."""
    codes = torch.from_numpy(get_codes(_run, "train")[0])
    y = None if _dataset.train.y is None else _dataset.train.y[: len(codes)]
    rows = mark_normal(y, _dataset.classes, names, len(codes)).nonzero().flatten()
    return build_index(codes[rows]), rows
