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

from aecore import data, metrics
from aecore.data import Dataset, tables
from aecore.pictures import Block, png, sheet, strip, tile_width, tiles
from aecore.runs import Run
from aecore.tasks import impute
from aecore.tasks.impute import Interval
from ui import cache, charts, comparison, examples, figures, state
from ui.inputs import Inputs

ROWS, TRAINED = 1000, 2000  # rows that are judged, and training rows behind the usual ways
DRAWS, PICTURE_DRAWS = 300, 200
SHARE = 0.9  # of the draws between an interval's ends
HOLES = {"a square": "square", "the lower half": "half", "every other pixel at random": "random"}
MARK = "background-color: rgba(204, 187, 68, 0.45); font-weight: 600"


class Filled(NamedTuple):
    """Rows with cells hidden on purpose, and what each way makes of them."""

    x: Tensor  # (N, d) as they are
    hidden: Tensor  # (N, d) bool
    ways: dict[str, Tensor]  # the model first
    interval: Interval | None


# -- tables


def rows(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Hide known cells, fill them, and hold that against the truth and the usual ways."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    share = row.slider("Cells hidden", 5, 80, 20, 5, key="hidden", bind="query-params", format="%d %%", width=260,
                       help="Known cells hidden on purpose, so that the filling can be judged.")  # fmt: skip
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120,
                            help="Which cells are hidden.")  # fmt: skip
    made = filled(run, found, chosen, share / 100, int(seed or 0))
    spread = deviation(found)
    errors = {name: impute.rmse(way, made.x, made.hidden, spread) for name, way in made.ways.items()}
    left, right = st.columns(2, gap="large")
    with left:
        tints = {run.id: figures.colour(run.config().model.variant)}
        st.plotly_chart(charts.bars(errors, tints, "error of hidden cells, in deviations"), key="errors",
                        alt=f"Error of hidden cells by {', '.join(errors)}")  # fmt: skip
        covered(made)
    with right:
        one_column(found, made, run)
    first_rows(found, made, run)
    really_missing(run, found, chosen)


def covered(made: Filled) -> None:
    """How often the truth lies inside the interval."""
    text = f"{int(made.hidden.sum()):,} known cells of {len(made.x):,} rows were hidden; lower is better."
    if made.interval is None:
        st.caption(f"{text} This model gives one filling and no interval: use a variational one, such as iwae.")
        return
    inside = (made.x >= made.interval.low) & (made.x <= made.interval.high)
    share = inside[made.hidden].float().mean().item()
    st.caption(text)
    st.metric(f"Inside the {SHARE:.0%} interval", f"{share:.0%}",
              help=f"Share of hidden cells whose truth lies inside; {SHARE:.0%} would be exact.")  # fmt: skip


def deviation(found: Dataset) -> Tensor:
    """Of each column in training, of what is known of it: (d,)."""
    x = found.train.x
    spread = (x - x.nanmean(0)).square().nanmean(0).sqrt().nan_to_num(1)
    return torch.where(spread > 1e-12, spread, 1.0)


def filled(run: Run, found: Dataset, chosen: Inputs, share: float, seed: int) -> Filled:
    x = chosen.x[:ROWS]
    return load_filled(str(run.path), run.version(), found.name, cache.digest(x), share, seed, run, found, x)


@st.cache_data(max_entries=16, show_spinner="Hiding cells, and filling them again ...")
def load_filled(
    path: str, version: float, name: str, given: str, share: float, seed: int, _run: Run, _found: Dataset, _x: Tensor
) -> Filled:
    net = cache.model(_run)
    hidden = with_words(impute.hide(_x, share, seed), _found.columns) & ~_x.isnan()
    holed = _x.masked_fill(hidden, torch.nan)
    ways = {_run.id: impute.impute(net, holed, DRAWS)} | impute.baselines(_found.train.x[:TRAINED], holed)
    interval = impute.interval(net, holed, SHARE) if metrics.is_variational(net) else None
    return Filled(_x, hidden, ways, interval)


def with_words(hidden: Tensor, columns: Sequence[str]) -> Tensor:
    """Hidden cells (N, d), the columns `city=Rome`, `city=Oslo`, ... of one word all alike: one tells of the others."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(columns):
        if "=" in name:
            groups.setdefault(name.split("=")[0], []).append(i)
    hidden = hidden.clone()
    for group in groups.values():
        hidden[:, group] = hidden[:, group[:1]]
    return hidden


def one_column(found: Dataset, made: Filled, run: Run) -> None:
    """Truth against filling of one column's hidden cells, with intervals."""
    order = [i for i in range(made.x.shape[1]) if made.hidden[:, i].any()]
    names = [found.columns[i] for i in order]
    if st.session_state.get("column", names[0]) not in names:
        del st.session_state["column"]
    name = st.selectbox("Column", names, key="column", bind="query-params")
    i = found.columns.index(name)
    at = made.hidden[:, i]
    ends = None if made.interval is None else (made.interval.low[at, i].numpy(), made.interval.high[at, i].numpy())
    figure = charts.truth(made.x[at, i].numpy(), made.ways[run.id][at, i].numpy(), ends, name,
                           figures.colour(run.config().model.variant))  # fmt: skip
    st.plotly_chart(figure, key="truth", alt=f"Truth against filling of hidden cells of {name}")


def first_rows(found: Dataset, made: Filled, run: Run) -> None:
    """Rows with hidden cells, filled: those cells marked, with the truth in brackets."""
    some = made.hidden.any(1).nonzero().flatten()[:10].tolist()
    cells = [[cell(made, run, i, j) for j in range(made.x.shape[1])] for i in some]
    frame = pd.DataFrame(cells, columns=list(found.columns), index=pd.Index(some, name="row"))
    marks = pd.DataFrame(np.where(made.hidden[some].numpy(), MARK, ""), frame.index, frame.columns)
    st.markdown("**Hidden and filled again**, the truth in brackets")
    st.dataframe(frame.style.apply(lambda _: marks, axis=None), alt="Rows with filled cells marked")


def cell(made: Filled, run: Run, i: int, j: int) -> str:
    value = f"{made.ways[run.id][i, j]:.4g}"
    return f"{value} ({made.x[i, j]:.4g})" if made.hidden[i, j] else value


def really_missing(run: Run, found: Dataset, chosen: Inputs) -> None:
    """The table as it was brought, its missing cells filled, to take along."""
    st.subheader("What is really missing", anchor=False)
    frame = chosen.frame
    if frame is None:
        frame = pd.DataFrame(chosen.x.numpy(), columns=list(found.columns))
    empty = chosen.x.isnan()
    if not empty.any():
        st.caption(f"No cell of {chosen.name} is missing. Bring a table with holes on the page **Data**, choose it "
                   "as *Inputs*, and take it away filled.")  # fmt: skip
        return
    x = load_whole(str(run.path), run.version(), cache.digest(chosen.x), run, chosen.x)
    result = tables.filled(frame, found.columns, x.numpy())
    st.caption(f"{int(frame.isna().sum().sum() - result.isna().sum().sum()):,} cells are filled; all else is as it "
               "was. Filled cells are marked.")  # fmt: skip
    some = frame.isna().any(axis=1).to_numpy().nonzero()[0][:50]
    shown = result.iloc[some]
    marks = pd.DataFrame(np.where(frame.iloc[some].isna(), MARK, ""), shown.index, shown.columns)
    st.dataframe(shown.style.apply(lambda _: marks, axis=None).format(precision=4), alt="Rows with filled cells marked")
    row = st.container(horizontal=True)
    row.download_button("Filled table as CSV", lambda: result.to_csv(index=False), f"{run.id}-filled.csv", "text/csv",
                        icon=":material/table:", on_click="ignore", type="primary")  # fmt: skip
    row.download_button("Parquet", lambda: parquet(result), f"{run.id}-filled.parquet", "application/octet-stream",
                        icon=":material/data_table:", on_click="ignore")  # fmt: skip


@st.cache_data(max_entries=8, show_spinner="Filling the table ...")
def load_whole(path: str, version: float, given: str, _run: Run, _x: Tensor) -> Tensor:
    return impute.impute(cache.model(_run), _x, DRAWS)


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


# -- pictures


def pictures(run: Run, found: Dataset, chosen: Inputs) -> None:
    """Pictures with a hole, and what the model puts there."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    kind = row.segmented_control("Hole", list(HOLES), default="the lower half", required=True, key="hole",
                                 bind="query-params")  # fmt: skip
    count = row.slider("Pictures", 4, 16, 8, key="count", bind="query-params", width=160)
    seed = row.number_input("Seed", 0, 2**31, 0, key="pick", bind="query-params", width=120)
    order = torch.randperm(len(chosen.x), generator=torch.Generator().manual_seed(int(seed or 0)))[:count]
    x = data.as_float(chosen.x[order])
    hidden = hole(x, HOLES[kind], int(seed or 0))
    lines = load_pictures(str(run.path), run.version(), cache.digest(x), kind, int(seed or 0), run, x, hidden)
    width = tile_width(found.input_shape)
    grey = torch.where(hidden, 0.5, x)
    tint = figures.colour(run.config().model.variant)
    strips = {name: strip(tiles(image), width) for name, image in lines.items()}
    parts = [Block("The pictures", chosen.name, "#888888", {"whole": strip(tiles(x), width)}),
             Block("What the model sees", f"{kind} is missing", "#888888", {"holed": strip(tiles(grey), width)}),
             Block(state.label_of(run), run.id, tint, strips)]  # fmt: skip
    st.html(comparison.as_html(parts, len(x)))
    guess = next(iter(lines.values()))
    mean = found.train.x[:TRAINED].float().div(255 if found.train.x.dtype == torch.uint8 else 1).mean(0)
    errors = {"the model": guess, "the mean picture": torch.where(hidden, mean, x)}
    found_errors = {name: (filled - x)[hidden].square().mean().sqrt().item() for name, filled in errors.items()}
    st.caption("Error of the hidden pixels, root mean square: "
               + ", ".join(f"{name} {value:.3g}" for name, value in found_errors.items())
               + (". *draw*: of a code that explains what is known." if len(lines) > 1 else "."))  # fmt: skip
    row = st.container(horizontal=True)
    row.download_button("Picture as PNG", lambda: png(sheet(parts)), f"{run.id}-filled.png", "image/png",
                        icon=":material/image:", on_click="ignore")  # fmt: skip
    row.download_button("NPZ", lambda: examples.npz(x=x.numpy(), hidden=hidden.numpy(), filled=guess.numpy()),
                        f"{run.id}-filled.npz", "application/zip", icon=":material/data_array:",
                        on_click="ignore")  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Filling ...")
def load_pictures(
    path: str, version: float, given: str, kind: str, seed: int, _run: Run, _x: Tensor, _hidden: Tensor
) -> dict[str, Tensor]:
    net = cache.model(_run)
    holed = _x.masked_fill(_hidden, torch.nan)
    lines = {"filled": impute.impute(net, holed, PICTURE_DRAWS, rounds=10)}
    if metrics.is_variational(net):
        many = impute.impute_many(net, holed, 2, PICTURE_DRAWS, noise=False)
        lines |= {f"draw {i + 1}": part for i, part in enumerate(many)}
    return lines


def hole(x: Tensor, kind: str, seed: int) -> Tensor:
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
