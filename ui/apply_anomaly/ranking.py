"""Ranking: the highest scores, one of them explained, and all as a file."""

from __future__ import annotations

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.pictures import colour_signed
from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.anomaly import compute_scaled_residuals, map_anomalies
from aecore.tasks.odd_columns import OddColumns
from ui.apply_anomaly.charts import ANOMALOUS_COLOUR, NORMAL_COLOUR
from ui.apply_anomaly.explanation import (
    list_column_features,
    name_class,
    name_example,
    show_explanation,
)
from ui.apply_anomaly.scoring import ScoredInputs
from ui.kit.cache import get_model
from ui.kit.downloads import offer_csv
from ui.kit.examples import (
    GROUND_POINTS,
    choose_index,
    format_cards,
    is_point_cloud,
    make_example_tiles,
)
from ui.kit.figures import draw_cloud
from ui.kit.inputs import Inputs

SHOWN_ANOMALIES = 16
MAX_SHORT_SCORE = 1000  # larger scores are written out


def show_ranking(
    run: Run, dataset: Dataset, inputs: Inputs, scored: ScoredInputs, threshold: float
) -> None:
    """Show the most anomalous examples, explain one of them, and offer all scores."""
    st.subheader("The most anomalous", anchor=False)
    order = scored.scores.argsort(descending=True)
    if is_point_cloud(dataset):
        show_scored_cloud(dataset, scored, threshold)
    elif scored.x.dim() == 2:
        show_odd_rows(run, dataset, inputs, scored, order[:SHOWN_ANOMALIES])
    else:
        show_top_cards(run, inputs, scored, order[:SHOWN_ANOMALIES], threshold)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    rank = choose_index(
        row, "Rank", "rank", len(order), 0, "Which to look into: 0 is the most anomalous."
    )
    offer_csv(
        "Scores as CSV",
        lambda: tabulate_verdicts(inputs, scored, threshold),
        f"{run.id}-{inputs.file_stem}-anomalies.csv",
        row,
        help="Every example that was scored, with score, p-value and verdict.",
        layout=inputs.csv,
    )
    if scored.x.dim() == 2:
        offer_csv(
            "Suspicious rows as CSV",
            lambda: tabulate_suspicious(run, dataset, inputs, scored, threshold),
            f"{run.id}-{inputs.file_stem}-suspicious.csv",
            row,
            help="The rows above the threshold, the oddest first, with the columns that make them "
            "so.",
            layout=inputs.csv,
        )
    show_explanation(run, dataset, inputs, scored, int(order[rank or 0]), threshold)


def show_scored_cloud(dataset: Dataset, scored: ScoredInputs, threshold: float) -> None:
    """Show examples below and above the threshold in their own space."""
    above = scored.scores > threshold
    groups = {
        "training data": dataset.train.x[:GROUND_POINTS],
        "below the threshold": scored.x[~above],
        "above": scored.x[above],
    }
    figure = draw_cloud(
        {name: group.numpy() for name, group in groups.items()},
        (NORMAL_COLOUR, NORMAL_COLOUR, ANOMALOUS_COLOUR),
    )
    st.container(width=640).plotly_chart(
        figure, key="found", alt="Examples above and below the threshold"
    )


def show_top_cards(
    run: Run, inputs: Inputs, scored: ScoredInputs, order: Tensor, threshold: float
) -> None:
    """Show pictures as cards in this order, each with its errors, name, score and class."""
    x, scores = as_float(scored.x[order]), scored.scores[order]
    indices = order.tolist()
    details = [
        f"{format_score(score)}{name_class(inputs, scored, i)}"
        for score, i in zip(scores.tolist(), indices, strict=True)
    ]
    names = [name_example(inputs, scored, i) for i in indices]
    model = get_model(run)
    maps = map_anomalies(model, x, scored.kind)[:, None]
    tiles = torch.cat([make_example_tiles(model, x), colour_signed(maps)], dim=2)
    st.html(format_cards(model, tiles, names, details, (scores > threshold).tolist()))
    st.caption(
        "Underlined in red: above the threshold. Under each picture its smoothed squared error, "
        "on one scale, and its score: red is unlike what the model expects."
    )


def show_odd_rows(
    run: Run, dataset: Dataset, inputs: Inputs, scored: ScoredInputs, order: Tensor
) -> None:
    """Show rows in this order, each with the columns that make it odd."""
    odd = find_odd_columns(run, dataset, inputs, scored, order)
    table = pd.DataFrame(
        {
            "row": [name_example(inputs, scored, i) for i in order.tolist()],
            "score": scored.scores[order].numpy(),
        }
    )
    for place in range(odd.names.shape[1]):
        title = "most odd" if place == 0 else f"odd {place + 1}"
        pairs = zip(odd.names[:, place], odd.why[:, place], odd.shares[:, place], strict=True)
        table[title] = [
            f"{name}: {why} · {share:.0%}" if name else "" for name, why, share in pairs
        ]
    if any(name_class(inputs, scored, i) for i in order.tolist()):
        table["class"] = [name_class(inputs, scored, i).lstrip(", ") for i in order.tolist()]
    st.dataframe(
        table,
        hide_index=True,
        height=min(400, 38 + 35 * len(table)),
        column_config={"score": st.column_config.NumberColumn(format="%.4g", width="small")},
    )
    st.caption(
        "The columns that make a row odd: what each is, what the other columns let expect, and the "
        "share by which the score would fall if it were as expected. Rows count from 0, in files "
        "too."
    )


def find_odd_columns(
    run: Run, dataset: Dataset, inputs: Inputs, scored: ScoredInputs, order: Tensor
) -> OddColumns:
    """Returns which columns make scored rows odd, in this order."""
    model, x = get_model(run), as_float(scored.x[order])
    residuals = compute_scaled_residuals(model, x, not scored.contaminated)
    new_words = inputs.take_new_words(scored.rows[order])
    return list_column_features(dataset).find_oddest(model, residuals, x, new_words=new_words)


def tabulate_suspicious(
    run: Run, dataset: Dataset, inputs: Inputs, scored: ScoredInputs, threshold: float
) -> pd.DataFrame:
    """Returns the rows above the threshold, the oddest first, and which columns make them so."""
    order = scored.scores.argsort(descending=True)
    order = order[scored.scores[order] > threshold]
    table = tabulate_verdicts(inputs, scored, threshold).iloc[order.numpy()]
    table = table.reset_index(drop=True)
    if "row" not in table.columns:
        table.insert(0, "row", scored.rows[order].numpy())
    if not len(order):
        return table
    odd = find_odd_columns(run, dataset, inputs, scored, order)
    for place in range(odd.names.shape[1]):
        table[f"odd_{place + 1}"] = odd.names[:, place]
        table[f"odd_{place + 1}_share"] = odd.shares[:, place].round(4)
        table[f"odd_{place + 1}_why"] = odd.why[:, place]
    return table


def format_score(score: float) -> str:
    """Returns a score with three significant digits, a large one as a whole number."""
    return f"{score:.3g}" if score < MAX_SHORT_SCORE else f"{score:,.0f}"


def tabulate_verdicts(inputs: Inputs, scored: ScoredInputs, threshold: float) -> pd.DataFrame:
    """Returns a line for each scored example: its own columns or its name, then the verdict."""
    table = tabulate_scored_inputs(inputs, scored)
    verdicts = {
        "score": scored.scores,
        "p_value": scored.detector.p_values_of_scores(scored.scores),
        "is_anomaly": scored.scores > threshold,
    }
    for name, values in verdicts.items():
        while name in table.columns:  # a column of the visitor's own is never written over
            name = f"anomaly_{name}"
        table[name] = values.numpy()
    return table


def tabulate_scored_inputs(inputs: Inputs, scored: ScoredInputs) -> pd.DataFrame:
    """Returns the visitor's own columns of scored examples, else their row, name and class."""
    rows = scored.rows.numpy()
    if inputs.frame is not None:
        return inputs.frame.iloc[rows].reset_index(drop=True)
    table = pd.DataFrame({"row": rows})
    if inputs.names:
        table["name"] = [inputs.names[row] for row in rows]
    if inputs.y is not None and inputs.classes:
        table["class"] = [inputs.classes[int(inputs.y[row])] for row in rows]
    return table
