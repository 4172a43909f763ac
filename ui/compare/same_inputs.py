"""The first section of the Compare page: the same inputs through all runs."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from aecore.analysis.pictures import draw_sheet, encode_png
from aecore.data.splits import Dataset, as_float
from aecore.errors import AecoreError
from aecore.runs.run import Run
from ui.compare.comparison import (
    is_scatter,
    keep_fitting_runs,
    make_sheet_blocks,
    view_through_all,
)
from ui.kit.cache import get_dataset, pick_test_examples
from ui.kit.figures import draw_cloud
from ui.kit.messages import show_error, show_note
from ui.kit.run_data import show_data_remark
from ui.kit.run_view import RunView
from ui.kit.runs import format_run_title
from ui.kit.strips import format_strips

SCATTER_POINTS = 800  # of a manifold
MAX_SEED = 2**31


@st.fragment
def show_same_inputs(runs: list[Run]) -> None:
    """Show the same test inputs through all runs that take them."""
    fitting, remark = keep_fitting_runs(runs)
    try:
        dataset, stand_in = get_dataset(fitting[0])
        show_data_remark(fitting[0], stand_in)
        show_note(remark)
        if is_scatter(dataset.input_shape):
            show_scatters(fitting, as_float(dataset.test.x[:SCATTER_POINTS]))
            return
        x, seed = choose_examples(fitting[0])
    except AecoreError as error:
        show_error(error)
        return
    views = load_views(fitting, x, seed)
    if views:
        show_strips(dataset, x, views)


def choose_examples(run: Run) -> tuple[Tensor, int]:
    """Ask how many test examples of a run, and which; return them and the seed of the noise."""
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    count = left.slider(
        "Examples", 4, 16, 8, key="examples", bind="query-params", help="One a column."
    )
    seed = middle.number_input(
        "Seed",
        0,
        MAX_SEED,
        0,
        key="pick",
        bind="query-params",
        help="Which test examples are drawn, and which noise is added to them.",
    )
    right.button(
        "Other examples",
        icon=":material/casino:",
        width="stretch",
        on_click=lambda: st.session_state.update(pick=int(seed) + 1),
    )
    return pick_test_examples(run, count, int(seed)), int(seed)


def load_views(runs: list[Run], x: Tensor, seed: int = 0) -> list[RunView]:
    """Returns the runs' views of x; shows a sentence for each run that cannot be loaded."""
    views, problems = view_through_all(runs, x, seed)
    for problem in problems:
        show_error(problem)
    return views


def show_strips(dataset: Dataset, x: Tensor, views: list[RunView]) -> None:
    """Show inputs, codes, reconstructions and errors in aligned strips, and offer them as PNG."""
    blocks, limit = make_sheet_blocks(dataset, x, views)
    st.html(format_strips(blocks, len(x)))
    is_picture = dataset.kind == "image"
    unit = "of the pixel range" if is_picture else "standard deviations of a column"
    key = (
        "error = rebuilt - input: blue too low, red too high, full colour from "
        f"{limit:g} {unit}, for all runs alike"
    )
    st.caption(
        f"{key[0].upper()}{key[1:]}. *seen*: with the run's own noise. "
        "*code*: white is zero, scaled per run."
    )
    st.download_button(
        "Picture as PNG",
        lambda: encode_png(draw_sheet(blocks, key)),
        "comparison.png",
        "image/png",
        on_click="ignore",
        icon=":material/image:",
    )


def show_scatters(runs: list[Run], x: Tensor) -> None:
    """Show points (N, 2 or 3) and where each run puts them, a picture a run."""
    views = load_views(runs, x)
    columns = st.columns(max(1, min(2, len(views))))
    for i, view in enumerate(views):
        with columns[i % len(columns)]:
            show_scatter(view, x)
    st.caption(
        "Grey: test points. Red: where the run puts them. The camera of a picture saves it as PNG."
    )


def show_scatter(view: RunView, x: Tensor) -> None:
    """Show points and their reconstructions by one run."""
    run = view.run
    st.markdown(format_run_title(run))
    figure = draw_cloud({"input": x.numpy(), "reconstruction": view.rebuilt.numpy()})
    figure.update_layout(legend={"orientation": "h", "itemsizing": "constant"})
    st.plotly_chart(figure, key=f"points-{run.id}", alt=f"Inputs and reconstructions of {run.id}")
