"""The explanation of a score: expectation, residuals, and the nearest normal examples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks, reconstruct_in_chunks
from aecore.analysis.pictures import colour_signed, draw_grid
from aecore.data.raw import Array
from aecore.data.splits import Dataset, as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import AnomalyScore
from aecore.names import escape_name
from aecore.runs.run import Run
from aecore.tasks.anomaly import compute_scaled_residuals, map_anomalies
from aecore.tasks.odd_columns import ODD_COLUMNS, ColumnFeatures, OddColumns
from aecore.tasks.search import Neighbours, SearchIndex, build_index
from ui.apply_anomaly.charts import draw_residual_bars
from ui.apply_anomaly.normal_classes import list_own_normal_classes, mark_normal, spell_class
from ui.apply_anomaly.scoring import ScoredInputs, get_anomaly_scores, is_contaminated
from ui.kit.cache import get_codes, get_model
from ui.kit.examples import (
    enlarge_examples,
    format_cards,
    is_point_cloud,
    make_example_table,
    show_cloud,
    show_example_table,
)
from ui.kit.inputs import Inputs, fill_with_means, make_split_inputs, take_split
from ui.kit.memory import keep_in_memory

NEAREST_PICTURES, NEAREST_ROWS = 8, 3
MAX_COPIES = 100  # of the example itself among those that are nearest
RESIDUAL_BARS = 12
MAX_EXPECTED = 300  # columns whose values are expected one by one
P_VALUE_HELP = (
    "The share of the normal examples behind the threshold that score as high: small is unusual."
)


class ExplainedExample(NamedTuple):
    """One example, what the model makes of it, and the difference."""

    x: Tensor  # (1, *input_shape)
    rebuilt: Tensor  # (1, *input_shape): what was expected
    residual: Tensor  # (1, *input_shape), in scaled units
    new_words: dict[str, Array]  # (1,) by column: a word of it that the run does not know


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
    residual = compute_scaled_residuals(model, x, not scored.contaminated)
    new_words = inputs.take_new_words(scored.rows[index : index + 1])
    example = ExplainedExample(x, expect_example(run, dataset, x), residual, new_words)
    show_example_score(inputs, scored, index, threshold)
    if x.dim() == 4 or is_point_cloud(dataset):
        left, right = (column.container() for column in st.columns([3, 2], gap="large"))
    else:
        left, right = st.container(), st.container()
    with left:
        if x.dim() == 4:
            show_pixel_residuals(model, example, scored.kind)
        else:
            show_column_residuals(model, dataset, example)
    with right:
        show_nearest_normal(run, dataset, example, scored.normal, threshold)


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


def show_pixel_residuals(model: Autoencoder, example: ExplainedExample, kind: AnomalyScore) -> None:
    """Show a picture, what the model makes of it, their difference, and where it is large."""
    limit = float(example.residual.abs().max()) or 1.0
    heat = colour_signed(map_anomalies(model, example.x, kind)[:, None])
    pictures = (example.x, example.rebuilt, colour_signed(example.residual, limit), heat)
    tiles = torch.cat([enlarge_examples(model, picture) for picture in pictures])
    st.image(
        draw_grid(tiles, 4),
        width="stretch",
        alt="The picture, what the model expected, their difference, and a map of the error",
    )
    st.caption(
        "The picture, what the model expected, and their difference: red brighter, blue darker "
        f"than expected, full at {limit:.2g}. Last, the squared error, smoothed: red where it is "
        "largest."
    )


def show_column_residuals(model: Autoencoder, dataset: Dataset, example: ExplainedExample) -> None:
    """Show the columns that contribute most to the score, the largest first."""
    odd = list_column_features(dataset).find_oddest(
        model, example.residual, example.x, RESIDUAL_BARS, example.new_words
    )
    texts = spell_odd_columns(odd, 0)
    if not texts:
        st.caption("No column is other than the other columns let expect.")
        return
    names = odd.names[0, : len(texts)].tolist()
    figure = draw_residual_bars(names, odd.by[0, : len(texts)], odd.signed[0], texts)
    st.plotly_chart(
        figure, key="why", alt=f"Residuals by column. {texts[0]}", config={"displayModeBar": False}
    )
    st.markdown("; ".join(escape_name(text) for text in texts[:ODD_COLUMNS]))
    st.caption(
        "Each bar is the distance by which the row would come nearer to what is usual if that "
        "column were as the other columns let expect. Numbers are red where more than expected, "
        "blue where less; grey are dates and words, which are neither."
    )


def list_column_features(dataset: Dataset) -> ColumnFeatures:
    """Returns the columns of a data set of rows, and which features each is."""
    features = dataset.columns or tuple(f"x{i}" for i in range(dataset.input_shape[0]))
    return ColumnFeatures(dataset.schema, features)


def spell_odd_columns(odd: OddColumns, row: int) -> list[str]:
    """Returns texts such as "state: idle, expected active (97 %)", the oddest column first."""
    pairs = zip(odd.names[row], odd.why[row], strict=True)
    return [f"{name}: {why}" for name, why in pairs if name]


def expect_example(run: Run, dataset: Dataset, x: Tensor) -> Tensor:
    """Returns what was expected of an example x (1, *input_shape).

    Each column of a row is what the others let expect, where the run has an ensemble.
    """
    model = get_model(run)
    is_wide = x.dim() > 2 or x.shape[1] > MAX_EXPECTED
    if is_wide or run.config().model.network.kind != "ensemble":
        return reconstruct_in_chunks(model, x)
    return list_column_features(dataset).expect_each(model, x)


# -- the nearest normal examples


def show_nearest_normal(
    run: Run,
    dataset: Dataset,
    example: ExplainedExample,
    names: tuple[str, ...],
    threshold: float,
) -> None:
    """Show the training examples of the normal classes `names` with the nearest codes.

    Not the example itself; of rows none that scores above the threshold.
    """
    model, names = get_model(run), list_own_normal_classes(run, dataset, names)
    count = NEAREST_PICTURES if example.x.dim() == 4 else NEAREST_ROWS
    near = find_nearest_normal(run, dataset, example.x, names, threshold)
    rows, train = near.rows[0], make_split_inputs(dataset, "train").x
    is_other = ~mark_copies(train[rows[: count + MAX_COPIES]], fill_with_means(example.x, dataset))
    rows, distances = (part[0, : len(is_other)][is_other][:count] for part in near)
    nearest = train[rows]
    text = f"the {len(rows)} nearest normal training examples"
    if is_point_cloud(dataset):
        groups = {"nearest": nearest, "input": example.x, "expected": example.rebuilt}
        show_cloud(dataset, groups, f"The input, and {text}")
    elif example.x.dim() == 2:
        show_nearest_rows(dataset, example, nearest)
        st.caption(f"In the data's units, beside {text}, by code.")
    else:
        names_of_rows = [f"No. {row}" for row in rows.tolist()]
        details = [f"{distance:.3g}" for distance in distances.tolist()]
        st.html(format_cards(model, as_float(nearest), names_of_rows, details))
        st.caption(f"{text[0].upper()}{text[1:]}, by code, with the distance to each.")


def show_nearest_rows(dataset: Dataset, example: ExplainedExample, nearest: Tensor) -> None:
    """Show a row, what was expected, and rows beside it, the most unexpected column first."""
    rows = {"value": example.x[0], "expected": example.rebuilt[0]}
    rows |= {f"nearest {i + 1}": row for i, row in enumerate(nearest)}
    columns = list_column_features(dataset)
    order = np.argsort(-columns.sum_shares(example.residual.numpy())[0], kind="stable")
    if columns.has_words:
        texts = columns.spell_rows(torch.stack(list(rows.values())).numpy())
        index = pd.Index(list(columns.places), name="column")
        for name, words in example.new_words.items():
            if words[0] is not None:
                texts[list(columns.places).index(name), 0] = f"{words[0]} (new)"
        table = pd.DataFrame(texts, index, list(rows)).iloc[order]
        st.dataframe(table, height=min(300, 38 + 35 * len(table)))
    else:
        show_example_table(make_example_table(dataset, rows).iloc[order])


def find_nearest_normal(
    run: Run, dataset: Dataset, x: Tensor, names: tuple[str, ...], threshold: float
) -> Neighbours:
    """Returns the rows (1, k) of all normal training examples, those nearest to x (1, ...) first.

    A run on a table may have been trained on rows that it calls odd: those are left out.
    """
    index, normal_rows = load_normal_codes(
        str(run.path), run.version(), dataset.name, names, run, dataset
    )
    near = index.find_nearest(encode_in_chunks(get_model(run), x), len(normal_rows))
    rows = normal_rows[near.rows[0]]
    if x.dim() == 2:
        train = (take_split if is_contaminated(run) else make_split_inputs)(dataset, "train")
        is_usual = get_anomaly_scores(run, train.x)[rows] <= threshold
        return Neighbours(rows[is_usual][None], near.distances[:, is_usual])
    return Neighbours(rows[None], near.distances)


def mark_copies(examples: Tensor, x: Tensor) -> Tensor:
    """Returns bool (N,): which of examples (N, ...) equal x (1, ...)."""
    return (as_float(examples) == as_float(x)).flatten(1).all(1)


@keep_in_memory("Encoding normal examples ...")
def load_normal_codes(
    path: str, version: float, data_name: str, names: tuple[str, ...], _run: Run, _dataset: Dataset
) -> tuple[SearchIndex, Tensor]:
    """Returns an index of the normal training examples' codes, and their rows."""
    codes = torch.from_numpy(get_codes(_run, "train")[0])
    y = None if _dataset.train.y is None else _dataset.train.y[: len(codes)]
    rows = mark_normal(y, _dataset.classes, names, len(codes)).nonzero().flatten()
    return build_index(codes[rows]), rows
