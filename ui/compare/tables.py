"""The tables of the Compare page: test metrics, differences of configs, and their files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from aecore.analysis.metrics import METRICS
from aecore.errors import AecoreError
from aecore.model.config import RunConfig
from aecore.runs.foreign import name_data
from aecore.runs.run import Run
from ui.kit.cache import get_model, get_test_metrics
from ui.kit.figures import choose_text_colour, get_variant_colour
from ui.kit.runs import get_variant_label

NO_BEST = (
    "No best values are marked: with one run, or on different data, splits or scaling, "
    "or where some of these runs lack the value, there is none."
)
BEST_STYLE = "background-color: #22883355"
# bounds of a density or of a probability: comparable within a likelihood only
BOUND_METRICS = ("nll_bound", "iwae_bound")


def tabulate_metrics(
    runs: Sequence[Run], measured: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Returns test metrics, a row a run, and a sentence for each run that has none.

    `measured` are further metrics by the ids of runs.
    """
    rows, problems = [], []
    for run in runs:
        try:
            metrics: Mapping[str, float] = {
                **get_test_metrics(run),
                **(measured or {}).get(run.id, {}),
            }
        except AecoreError as error:
            metrics = {}
            problems.append(f"{run.id} could not be measured: {error}")
        data = run.config().data
        head = {"variant": get_variant_label(run), "run": run.id}
        head["data"] = name_data(data) if data else ""
        rows.append({**head, **{name: metrics.get(name) for name in METRICS}})
    frame = pd.DataFrame(rows)
    return frame.dropna(axis="columns", how="all"), problems


def list_lacking_metrics(frame: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Returns the metrics that some run of the table could have, but lacks."""
    return [
        name
        for name in frame.columns
        if name in METRICS
        and any(
            lacks_metric(run, name)
            for run, is_missing in zip(runs, frame[name].isna(), strict=True)
            if is_missing
        )
    ]


def lacks_metric(run: Run, metric: str) -> bool:
    """Returns whether a metric without a value could be measured of a run."""
    try:
        return METRICS[metric].applies(get_model(run))
    except AecoreError:  # its weights cannot be read: it is not compared
        return False


def mark_best(
    frame: pd.DataFrame, configs: Sequence[RunConfig], lacking: Collection[str] = ()
) -> pd.DataFrame:
    """Returns True where a run is the best of its column.

    Nothing is marked where no direction is better, or the runs are not comparable, nor of metrics
    that some run lacks: it may be the best.
    """
    marks = pd.DataFrame(False, frame.index, frame.columns)
    if len({make_comparison_key(config) for config in configs}) != 1:
        return marks
    for name in (name for name in frame.columns if name not in lacking and metric_direction(name)):
        column = frame[name].astype(float)
        kinds = {
            config.model.likelihood.kind
            for config, value in zip(configs, column, strict=True)
            if pd.notna(value)
        }
        if column.nunique() > 1 and (name not in BOUND_METRICS or len(kinds) == 1):
            marks[name] = column == (column.min() if metric_direction(name) < 0 else column.max())
    return marks


def make_comparison_key(config: RunConfig) -> tuple[Any, ...]:
    """Returns what must be equal for test errors of the same units on the same examples."""
    model, data = config.model, config.data
    shown = model.network.limit_examples(model.input_shape)  # of the pictures of a pretrained one
    split = (data.name, data.test_fraction, data.split_seed, data.limit, data.label) if data else ()
    unscaled = tuple(model.likelihood.find_unscaled(model.features))
    return (model.input_shape, model.scaling, unscaled, *(split or (shown,)))


def metric_direction(metric: str) -> int:
    """Returns -1 where lower is better, 1 where higher is, else 0."""
    return METRICS[metric].direction if metric in METRICS else 0


def style_metrics(frame: pd.DataFrame, marks: pd.DataFrame, variants: Sequence[str]) -> Styler:
    """Returns the table with each variant in its colour and the best of a column marked."""
    fills = [get_variant_colour(name) for name in variants]
    labels = [f"background-color: {fill}; color: {choose_text_colour(fill)}" for fill in fills]
    formats: dict[Any, str | Callable[[object], str] | None] = {
        name: format_metric for name in frame.columns if name in METRICS
    }
    return (
        frame.style.format(formats, na_rep="")
        .apply(lambda _: labels, subset=["variant"])
        .apply(lambda _: marks.map(lambda good: BEST_STYLE if good else ""), axis=None)
    )


def format_metric(value: Any) -> str:
    """Returns three significant digits, or a whole number with its thousands set apart.

    Returns an empty text for a value that is not known.
    """
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def tabulate_curves(runs: Sequence[Run]) -> pd.DataFrame:
    """Returns every epoch of every run, a row each."""
    return pd.DataFrame([{"run": run.id, **row.to_row()} for run in runs for row in run.epochs()])
