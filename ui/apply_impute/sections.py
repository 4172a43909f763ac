"""What the Impute page is made of: cells hidden on purpose and filled again, and what is really missing filled in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from aecore.analysis.metrics import is_variational
from aecore.analysis.pictures import (
    SheetBlock,
    choose_tile_width,
    draw_sheet,
    draw_strip,
    encode_png,
    make_tiles,
)
from aecore.data.splits import Dataset, as_float
from aecore.data.table_columns import fill_table
from aecore.runs.run import Run
from aecore.tasks.impute import (
    PredictionInterval,
    compute_imputation_rmse,
    draw_imputations,
    hide_cells,
    impute_by_baselines,
    impute_cells,
    predict_interval,
)
from ui.apply_impute.charts import draw_bars, draw_truth_against_filling
from ui.kit.cache import digest_examples, get_model
from ui.kit.examples import encode_npz
from ui.kit.figures import get_variant_colour
from ui.kit.inputs import Inputs
from ui.kit.runs import get_variant_label
from ui.kit.strips import format_strips

TABLE_ROWS, BASELINE_ROWS = (
    1000,
    2000,
)  # rows that are judged, and training rows behind the usual ways
ROW_DRAWS, PICTURE_DRAWS = 300, 200
INTERVAL_SHARE = 0.9  # of the draws between an interval's ends
HOLE_KINDS = {
    "a square": "square",
    "the lower half": "half",
    "every other pixel at random": "random",
}
FILLED_STYLE = "background-color: rgba(204, 187, 68, 0.45); font-weight: 600"


class FilledRows(NamedTuple):
    """Rows with cells hidden on purpose, and what each way makes of them."""

    x: Tensor  # (N, d) as they are
    hidden: Tensor  # (N, d) bool
    ways: dict[str, Tensor]  # the model first
    interval: PredictionInterval | None


# -- tables


def show_row_imputation(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Hide known cells, fill them, and hold that against the truth and the usual ways."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    share = row.slider(
        "Cells hidden",
        5,
        80,
        20,
        5,
        key="hidden",
        bind="query-params",
        format="%d %%",
        width=260,
        help="Known cells hidden on purpose, so that the filling can be judged.",
    )
    seed = row.number_input(
        "Seed",
        0,
        2**31,
        0,
        key="pick",
        bind="query-params",
        width=120,
        help="Which cells are hidden.",
    )
    made = fill_hidden_rows(run, found, chosen, share / 100, int(seed or 0))
    spread = column_deviations(found)
    errors = {
        name: compute_imputation_rmse(way, made.x, made.hidden, spread)
        for name, way in made.ways.items()
    }
    left, right = st.columns(2, gap="large")
    with left:
        tints = {run.id: get_variant_colour(run.config().model.variant)}
        st.plotly_chart(
            draw_bars(errors, tints, "error of hidden cells, in deviations"),
            key="errors",
            alt=f"Error of hidden cells by {', '.join(errors)}",
        )
        measure_coverage(made)
    with right:
        show_column_truth(found, made, run)
    show_first_rows(found, made, run)
    show_missing_cells(run, found, chosen)


def measure_coverage(made: FilledRows) -> None:
    """How often the truth lies inside the interval."""
    text = f"{int(made.hidden.sum()):,} known cells of {len(made.x):,} rows were hidden; lower is better."
    if made.interval is None:
        st.caption(
            f"{text} This model gives one filling and no interval: use a variational one, such as iwae."
        )
        return
    inside = (made.x >= made.interval.low) & (made.x <= made.interval.high)
    share = inside[made.hidden].float().mean().item()
    st.caption(text)
    st.metric(
        f"Inside the {INTERVAL_SHARE:.0%} interval",
        f"{share:.0%}",
        help=f"Share of hidden cells whose truth lies inside; {INTERVAL_SHARE:.0%} would be exact.",
    )


def column_deviations(found: Dataset) -> Tensor:
    """Of each column in training, of what is known of it: (d,)."""
    x = found.train.x
    spread = (x - x.nanmean(0)).square().nanmean(0).sqrt().nan_to_num(1)
    return torch.where(spread > 1e-12, spread, 1.0)


def fill_hidden_rows(
    run: Run, found: Dataset, chosen: Inputs, share: float, seed: int
) -> FilledRows:
    x = chosen.x[:TABLE_ROWS]
    return load_filled_rows(
        str(run.path), run.version(), found.name, digest_examples(x), share, seed, run, found, x
    )


@st.cache_data(max_entries=16, show_spinner="Hiding cells, and filling them again ...")
def load_filled_rows(
    path: str,
    version: float,
    name: str,
    given: str,
    share: float,
    seed: int,
    _run: Run,
    _found: Dataset,
    _x: Tensor,
) -> FilledRows:
    net = get_model(_run)
    hidden = hide_whole_words(hide_cells(_x, share, seed), _found.columns) & ~_x.isnan()
    holed = _x.masked_fill(hidden, torch.nan)
    ways = {_run.id: impute_cells(net, holed, ROW_DRAWS)} | impute_by_baselines(
        _found.train.x[:BASELINE_ROWS], holed
    )
    interval = predict_interval(net, holed, INTERVAL_SHARE) if is_variational(net) else None
    return FilledRows(_x, hidden, ways, interval)


def hide_whole_words(hidden: Tensor, columns: Sequence[str]) -> Tensor:
    """Hidden cells (N, d), the columns `city=Rome`, `city=Oslo`, ... of one word all alike: one tells of the others."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(columns):
        if "=" in name:
            groups.setdefault(name.split("=")[0], []).append(i)
    hidden = hidden.clone()
    for group in groups.values():
        hidden[:, group] = hidden[:, group[:1]]
    return hidden


def show_column_truth(found: Dataset, made: FilledRows, run: Run) -> None:
    """Truth against filling of one column's hidden cells, with intervals."""
    order = [i for i in range(made.x.shape[1]) if made.hidden[:, i].any()]
    names = [found.columns[i] for i in order]
    if st.session_state.get("column", names[0]) not in names:
        del st.session_state["column"]
    name = st.selectbox("Column", names, key="column", bind="query-params")
    i = found.columns.index(name)
    at = made.hidden[:, i]
    ends = (
        None
        if made.interval is None
        else (made.interval.low[at, i].numpy(), made.interval.high[at, i].numpy())
    )
    figure = draw_truth_against_filling(
        made.x[at, i].numpy(),
        made.ways[run.id][at, i].numpy(),
        ends,
        name,
        get_variant_colour(run.config().model.variant),
    )
    st.plotly_chart(figure, key="truth", alt=f"Truth against filling of hidden cells of {name}")


def show_first_rows(found: Dataset, made: FilledRows, run: Run) -> None:
    """Rows with hidden cells, filled: those cells marked, with the truth in brackets."""
    some = made.hidden.any(1).nonzero().flatten()[:10].tolist()
    cells = [[format_filled_cell(made, run, i, j) for j in range(made.x.shape[1])] for i in some]
    frame = pd.DataFrame(cells, columns=list(found.columns), index=pd.Index(some, name="row"))
    marks = pd.DataFrame(
        np.where(made.hidden[some].numpy(), FILLED_STYLE, ""), frame.index, frame.columns
    )
    st.markdown("**Hidden and filled again**, the truth in brackets")
    st.dataframe(frame.style.apply(lambda _: marks, axis=None), alt="Rows with filled cells marked")


def format_filled_cell(made: FilledRows, run: Run, i: int, j: int) -> str:
    value = f"{made.ways[run.id][i, j]:.4g}"
    return f"{value} ({made.x[i, j]:.4g})" if made.hidden[i, j] else value


def show_missing_cells(run: Run, found: Dataset, chosen: Inputs) -> None:
    """The table as it was brought, its missing cells filled, to take along."""
    st.subheader("What is really missing", anchor=False)
    frame = chosen.frame
    if frame is None:
        frame = pd.DataFrame(chosen.x.numpy(), columns=list(found.columns))
    empty = chosen.x.isnan()
    if not empty.any():
        st.caption(
            f"No cell of {chosen.name} is missing. Bring a table with holes on the page **Data**, choose it "
            "as *Inputs*, and take it away filled."
        )
        return
    x = load_whole_table(str(run.path), run.version(), digest_examples(chosen.x), run, chosen.x)
    result = fill_table(frame, found.columns, x.numpy())
    st.caption(
        f"{int(frame.isna().sum().sum() - result.isna().sum().sum()):,} cells are filled; all else is as it "
        "was. Filled cells are marked."
    )
    some = frame.isna().any(axis=1).to_numpy().nonzero()[0][:50]
    shown = result.iloc[some]
    marks = pd.DataFrame(
        np.where(frame.iloc[some].isna(), FILLED_STYLE, ""), shown.index, shown.columns
    )
    st.dataframe(
        shown.style.apply(lambda _: marks, axis=None).format(precision=4),
        alt="Rows with filled cells marked",
    )
    row = st.container(horizontal=True)
    row.download_button(
        "Filled table as CSV",
        lambda: result.to_csv(index=False),
        f"{run.id}-filled.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
        type="primary",
    )
    row.download_button(
        "Parquet",
        lambda: encode_table_parquet(result),
        f"{run.id}-filled.parquet",
        "application/octet-stream",
        icon=":material/data_table:",
        on_click="ignore",
    )


@st.cache_data(max_entries=8, show_spinner="Filling the table ...")
def load_whole_table(path: str, version: float, given: str, _run: Run, _x: Tensor) -> Tensor:
    return impute_cells(get_model(_run), _x, ROW_DRAWS)


def encode_table_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


# -- pictures


def show_picture_imputation(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Pictures with a hole, and what the model puts there."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kind = row.segmented_control(
        "Hole",
        list(HOLE_KINDS),
        default="the lower half",
        required=True,
        key="hole",
        bind="query-params",
    )
    count = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=160)
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120)
    order = torch.randperm(len(chosen.x), generator=torch.Generator().manual_seed(int(seed or 0)))[
        :count
    ]
    x = as_float(chosen.x[order])
    hidden = make_hole(x, HOLE_KINDS[kind], int(seed or 0))
    lines = load_filled_pictures(
        str(run.path), run.version(), digest_examples(x), kind, int(seed or 0), run, x, hidden
    )
    width = choose_tile_width(found.input_shape)
    grey = torch.where(hidden, 0.5, x)
    tint = get_variant_colour(run.config().model.variant)
    strips = {name: draw_strip(make_tiles(image), width) for name, image in lines.items()}
    parts = [
        SheetBlock(
            "The pictures", chosen.name, "#888888", {"whole": draw_strip(make_tiles(x), width)}
        ),
        SheetBlock(
            "What the model sees",
            f"{kind} is missing",
            "#888888",
            {"holed": draw_strip(make_tiles(grey), width)},
        ),
        SheetBlock(get_variant_label(run), run.id, tint, strips),
    ]
    st.html(format_strips(parts, len(x)))
    guess = next(iter(lines.values()))
    mean = (
        found.train.x[:BASELINE_ROWS]
        .float()
        .div(255 if found.train.x.dtype == torch.uint8 else 1)
        .mean(0)
    )
    errors = {"the model": guess, "the mean picture": torch.where(hidden, mean, x)}
    found_errors = {
        name: (filled - x)[hidden].square().mean().sqrt().item() for name, filled in errors.items()
    }
    st.caption(
        "Error of the hidden pixels, root mean square: "
        + ", ".join(f"{name} {value:.3g}" for name, value in found_errors.items())
        + (". *draw*: of a code that explains what is known." if len(lines) > 1 else ".")
    )
    row = st.container(horizontal=True)
    row.download_button(
        "Picture as PNG",
        lambda: encode_png(draw_sheet(parts)),
        f"{run.id}-filled.png",
        "image/png",
        icon=":material/image:",
        on_click="ignore",
    )
    row.download_button(
        "NPZ",
        lambda: encode_npz(x=x.numpy(), hidden=hidden.numpy(), filled=guess.numpy()),
        f"{run.id}-filled.npz",
        "application/zip",
        icon=":material/data_array:",
        on_click="ignore",
    )


@st.cache_data(max_entries=16, show_spinner="Filling ...")
def load_filled_pictures(
    path: str,
    version: float,
    given: str,
    kind: str,
    seed: int,
    _run: Run,
    _x: Tensor,
    _hidden: Tensor,
) -> dict[str, Tensor]:
    net = get_model(_run)
    holed = _x.masked_fill(_hidden, torch.nan)
    lines = {"filled": impute_cells(net, holed, PICTURE_DRAWS, rounds=10)}
    if is_variational(net):
        many = draw_imputations(net, holed, 2, PICTURE_DRAWS, noise=False)
        lines |= {f"draw {i + 1}": part for i, part in enumerate(many)}
    return lines


def make_hole(x: Tensor, kind: str, seed: int) -> Tensor:
    """Which pixels of x (N, C, H, W) are missing: bool, alike in all channels."""
    height, width = x.shape[2:]
    missing = torch.zeros(len(x), 1, height, width, dtype=torch.bool)
    if kind == "square":
        missing[:, :, height // 3 : height - height // 3, width // 3 : width - width // 3] = True
    elif kind == "half":
        missing[:, :, height // 2 :] = True
    else:
        missing = torch.rand(missing.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    return missing.expand_as(x)
