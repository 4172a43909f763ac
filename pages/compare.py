"""Compare: the same inputs through several runs, their curves and numbers, and what sets them apart."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from aecore.analysis.metrics import METRIC_DESCRIPTIONS, METRIC_LABELS
from aecore.analysis.pictures import draw_sheet, encode_png
from aecore.data.splits import as_float
from aecore.errors import AecoreError
from aecore.runs.run import Run
from ui.compare.charts import draw_loss_curves
from ui.compare.comparison import (
    MAX_COMPARED,
    choose_first_runs,
    is_scatter,
    join_words,
    keep_fitting_runs,
    make_sheet_blocks,
    view_through_all,
)
from ui.compare.sweep import show_sweep
from ui.compare.tables import (
    NO_BEST,
    explain_different_losses,
    mark_best,
    style_metrics,
    tabulate_curves,
    tabulate_differences,
    tabulate_metrics,
)
from ui.kit.cache import get_dataset, pick_test_examples
from ui.kit.figures import draw_cloud
from ui.kit.messages import show_error
from ui.kit.run_view import RunView
from ui.kit.runs import get_variant_label, list_usable_runs
from ui.kit.strips import format_strips

POINTS = 800  # of a manifold


st.title("Compare")
st.markdown(
    "**The same inputs through every run**, on one scale: see what each keeps, loses and invents."
)


show_sweep()
known = {run.id: run for run in list_usable_runs()}


if not known:
    st.info("No run has a model yet. Train two, and compare them here.", icon=":material/info:")
    st.page_link("train.py", label="Train a model", icon=":material/model_training:")
    st.stop()


if strange := [name for name in st.query_params.get_all("runs") if name not in known]:
    names = join_words([repr(name[:80]) for name in strange[:3]])
    st.warning(f"Not here, or without a model: {names}.", icon=":material/search_off:")
ids = st.multiselect(
    "Runs",
    list(known),
    choose_first_runs(list(known.values())),
    key="runs",
    bind="query-params",
    max_selections=MAX_COMPARED,
    help="Up to eight. The first one decides which inputs are shown.",
)
chosen = [known[name] for name in ids]


if not chosen:
    st.info("Choose a run above.", icon=":material/arrow_upward:")
    st.stop()


@st.fragment
def show_same_inputs() -> None:
    """The same test inputs through all runs that take them."""
    fits, remark = keep_fitting_runs(chosen)
    try:
        data, stand_in = get_dataset(fits[0])
        for text in filter(None, (stand_in, remark)):
            st.caption(f":material/info: {text}")
        if is_scatter(data.input_shape):
            show_scatters(fits, as_float(data.test.x[:POINTS]))
            return
        left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
        count = left.slider(
            "Examples", 4, 16, 8, key="examples", bind="query-params", help="One a column."
        )
        seed = middle.number_input(
            "Seed",
            0,
            2**31,
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
        x = pick_test_examples(fits[0], count, int(seed))
    except AecoreError as error:
        show_error(error)
        return
    if not (results := collect_views(fits, x, int(seed))):
        return
    parts, limit = make_sheet_blocks(data, x, results)
    st.html(format_strips(parts, len(x)))
    unit = "of the pixel range" if data.kind == "image" else "standard deviations of a column"
    key = f"error = rebuilt - input: blue too low, red too high, full colour from {limit:g} {unit}, for all runs alike"
    st.caption(
        f"{key[0].upper()}{key[1:]}. *seen*: with the run's own noise. *code*: white is zero, scaled per run."
    )
    st.download_button(
        "Picture as PNG",
        lambda: encode_png(draw_sheet(parts, key)),
        "comparison.png",
        "image/png",
        on_click="ignore",
        icon=":material/image:",
    )


def collect_views(fits: list[Run], x: Tensor, seed: int = 0) -> list[RunView]:
    """What the runs make of x; a sentence for each that cannot be loaded."""
    results, problems = view_through_all(fits, x, seed)
    for problem in problems:
        st.error(problem, icon=":material/error:")
    return results


def show_scatters(fits: list[Run], x: Tensor) -> None:
    """Points of a manifold, each run's in a picture of its own."""
    results = collect_views(fits, x)
    columns = st.columns(max(1, min(2, len(results))))
    for i, result in enumerate(results):
        run = result.run
        with columns[i % len(columns)]:
            st.markdown(f"**{get_variant_label(run)}** {run.id}")
            figure = draw_cloud({"input": x.numpy(), "reconstruction": result.rebuilt.numpy()})
            figure.update_layout(legend={"orientation": "h", "itemsizing": "constant"})
            st.plotly_chart(
                figure, key=f"points-{run.id}", alt=f"Inputs and reconstructions of {run.id}"
            )
    st.caption(
        "Grey: test points. Red: where the run puts them. The camera of a picture saves it as PNG."
    )


@st.fragment
def show_loss_curves() -> None:
    """Loss by epoch, of all runs in one figure."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    key = left.segmented_control(
        "Loss",
        ["validation_loss", "loss"],
        default="validation_loss",
        required=True,
        format_func={"loss": "Training", "validation_loss": "Validation"}.get,
        key="curve",
        bind="query-params",
        help="With the KL and the penalties.",
    )
    log = right.toggle(
        "Log scale", key="log", bind="query-params", help="For losses of different orders."
    )
    records = {run.id: (run.config().model.variant, run.epochs()) for run in chosen}
    if not any(key in row for _, rows in records.values() for row in rows):
        st.caption("None of these runs has a record of this loss.")
        return
    figure = draw_loss_curves(records, key, log)
    st.plotly_chart(
        figure, key="curves", alt=f"{key.replace('_', ' ')} by epoch of {join_words(ids)}"
    )
    if note := explain_different_losses({run.id: run.config() for run in chosen}):
        st.caption(f":material/info: {note}")


show_same_inputs()
st.subheader("Curves", anchor=False)
show_loss_curves()


st.subheader("On the test set", anchor=False)
configs = {run.id: run.config() for run in chosen}
frame, problems = tabulate_metrics(chosen)


for problem in problems:
    st.warning(problem, icon=":material/warning:")
marks = mark_best(frame, list(configs.values()))
help_on = {
    name: st.column_config.Column(METRIC_LABELS[name], help=METRIC_DESCRIPTIONS[name])
    for name in frame.columns
    if name in METRIC_DESCRIPTIONS
}
st.dataframe(
    style_metrics(frame, marks, [config.model.variant for config in configs.values()]),
    hide_index=True,
    column_config=help_on,
    placeholder="",
    alt="Test metrics of each run",
)
st.caption("The best of a column is green." if marks.any(axis=None) else NO_BEST)


st.subheader("What differs in their configs", anchor=False)
apart = tabulate_differences(configs)


if apart.empty:
    st.caption(
        "Nothing: these configs are equal."
        if len(chosen) > 1
        else "Choose a second run to compare with."
    )
else:
    st.dataframe(apart, height="content", alt="Options that differ between the runs")
row = st.container(horizontal=True)
tables = {"Metrics": frame, "Differences": apart.reset_index(), "Curves": tabulate_curves(chosen)}


for name, table in tables.items():
    row.download_button(
        f"{name} as CSV",
        lambda t=table: t.to_csv(index=False),
        f"{name.lower()}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
        disabled=table.empty,
    )
