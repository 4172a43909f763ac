"""The input that the sections look at: clicked on a small map, or chosen by its number."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import project_by_pca
from aecore.data.splits import as_float
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.cache import digest_examples, get_model
from ui.kit.examples import choose_index
from ui.kit.figures import draw_small_map
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

MAPPED_POINTS = 400  # points of a map
POINT_NUMBER_KEY = "input"  # of the widget in which the input is chosen by its number


def choose_point(run: Run, inputs: Inputs) -> Tensor:
    """Show a map to click and a number to type; return the chosen input (1, *input_shape)."""
    count = min(MAPPED_POINTS, len(inputs.x))
    x = inputs.x[:count]
    z = load_input_codes(str(run.path), run.version(), digest_examples(x), run, x)
    groups = group_inputs_by_class(inputs, count)
    event: Any = st.plotly_chart(
        draw_small_map(project_by_pca(z, 2), groups),
        key="point_map",
        on_select=forget_typed_number,
        selection_mode="points",
        alt=f"{count} codes of {run.id} on their principal plane",
    )
    st.caption(
        f":material/touch_app: Click a point: {count} of {escape_name(inputs.name)}, "
        "by their codes' principal plane."
    )
    row = choose_index(
        st.container(),
        "Input",
        POINT_NUMBER_KEY,
        len(inputs.x),
        None,
        "By its number, counted from 0.",
    )
    if row is None:
        clicked_rows = read_clicked_rows(event["selection"]["points"], list(groups.values()))
        row = clicked_rows[0] if clicked_rows else 0
    return as_float(inputs.x[row : row + 1])


def group_inputs_by_class(inputs: Inputs, count: int) -> dict[str, np.ndarray]:
    """Returns {class: its rows} of the first `count` inputs, without empty ones."""
    if inputs.y is None or not inputs.classes:
        return {"input": np.arange(count)}
    labels = inputs.y[:count].numpy()
    groups = {name: np.flatnonzero(labels == i) for i, name in enumerate(inputs.classes)}
    return {name: rows for name, rows in groups.items() if len(rows)}


def read_clicked_rows(points: list[dict], traces: list[np.ndarray]) -> list[int]:
    """Returns the rows of the clicked points, in order.

    A point names its trace and its index in it; `traces` are the rows of each trace.
    """
    rows = {
        int(traces[point["curve_number"]][point["point_index"]])
        for point in points
        if point["curve_number"] < len(traces)
        and point["point_index"] < len(traces[point["curve_number"]])
    }
    return sorted(rows)


def forget_typed_number() -> None:
    """Let a click take the place of the number that was typed."""
    st.session_state[POINT_NUMBER_KEY] = None


@keep_in_memory("Encoding ...")
def load_input_codes(
    path: str, version: float, digest: ExamplesKey, _run: Run, _x: Tensor
) -> np.ndarray:
    """Returns the codes (N, latent_dim) of inputs, which `digest` identifies."""
    return encode_in_chunks(get_model(_run), _x).numpy()
