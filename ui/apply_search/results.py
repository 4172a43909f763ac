"""The results of a search: the nearest examples, nearest first."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from torch import Tensor

from aecore.data.splits import Dataset, as_float
from aecore.runs.run import Run
from aecore.tasks.search import Neighbours
from ui.apply_search.collection import SearchCollection
from ui.apply_search.query import SearchQuery
from ui.kit.cache import get_model
from ui.kit.examples import (
    GROUND_POINTS,
    ROW_TILES_NOTE,
    format_cards,
    is_point_cloud,
    make_example_table,
    show_example_table,
)
from ui.kit.figures import draw_cloud

BY_CODE = "By code"
SHOWN_RESULT_ROWS = 3  # rows of a table whose numbers are shown


def drop_query(near: Neighbours, own_row: int | None, count: int) -> Neighbours:
    """Returns the `count` nearest without the query's own row, if it has one."""
    is_other = near.rows[0] != (-1 if own_row is None else own_row)
    keep = is_other.nonzero().flatten()[:count]
    return Neighbours(near.rows[:, keep], near.distances[:, keep])


def show_results(
    run: Run,
    dataset: Dataset,
    collection: SearchCollection,
    near: Neighbours,
    query: SearchQuery,
    method: str,
    size: str,
) -> None:
    """Show the nearest examples by a method that compares `size` numbers of each.

    Those of another class than the query's are marked. Under the results by code stands a note on
    what is shown, and a table of rows.
    """
    rows = near.rows[0].tolist()
    x = as_float(collection.examples.x[rows])
    classes = [collection.find_class(row) for row in rows]
    knows_class = query.class_name in collection.examples.classes
    text = f"**{method}**, {size} numbers per example"
    if knows_class:
        matches = sum(name == query.class_name for name in classes)
        text += f": {matches} of {len(rows)} are of its class"
    st.markdown(text)
    if is_point_cloud(dataset):
        show_nearest_points(dataset, query, x, method)
        return
    marked = [knows_class and name != query.class_name for name in classes]
    distances = [f"{distance:.3g}" for distance in near.distances[0].tolist()]
    names = name_results(collection, rows)
    st.html(format_cards(get_model(run), x, names, distances, marked))
    if method == BY_CODE:
        if x.dim() == 2:
            show_result_rows(dataset, query, x, rows)
        show_results_note(collection, knows_class, x.dim() == 2)


def name_results(collection: SearchCollection, rows: list[int]) -> list[str]:
    """Returns the file name of each result, else its class, else its number."""
    if collection.examples.names:
        return [collection.examples.names[row] for row in rows]
    classes = [collection.find_class(row) for row in rows]
    return [f"No. {row}" if name is None else name for row, name in zip(rows, classes, strict=True)]


def show_results_note(collection: SearchCollection, has_marks: bool, has_tiles: bool) -> None:
    """Show what stands under each result, and what the marks and tiles of rows mean."""
    title = "class" if collection.find_class(0) else "number"
    if collection.examples.names:
        title = "name"
    parts = [f"Under each its {title} and its distance."]
    if has_marks:
        parts.append("Underlined in red: of another class.")
    if has_tiles:
        parts.append(ROW_TILES_NOTE)
    st.caption(" ".join(parts))


def show_result_rows(dataset: Dataset, query: SearchQuery, x: Tensor, rows: list[int]) -> None:
    """Show the numbers of the query and of the nearest rows."""
    examples = {"query": query.x[0]}
    examples |= {
        f"No. {row}": value for row, value in zip(rows[:SHOWN_RESULT_ROWS], x, strict=False)
    }
    show_example_table(make_example_table(dataset, examples))


def show_nearest_points(dataset: Dataset, query: SearchQuery, x: Tensor, method: str) -> None:
    """Show the nearest points x among the training data, in their own space."""
    groups = {
        "training data": dataset.train.x[:GROUND_POINTS].numpy(),
        "nearest": x.numpy(),
        "query": query.x.numpy(),
    }
    st.plotly_chart(
        draw_cloud(groups),
        key=f"points-{method}",
        alt=f"The query and the {len(x)} nearest, {method.lower()}",
    )


def tabulate_results(collection: SearchCollection, near: Neighbours) -> pd.DataFrame:
    """Returns a line for each result: its row and distance, its name and class if it has them."""
    rows = near.rows[0].tolist()
    table = pd.DataFrame({"row": rows, "distance": near.distances[0].tolist()})
    if collection.examples.names:
        table["name"] = [collection.examples.names[row] for row in rows]
    if collection.find_class(0) is not None:
        table["class"] = [collection.find_class(row) for row in rows]
    return table
