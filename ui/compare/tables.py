"""The tables of the Compare page: metrics, and the options that set runs apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from aecore.analysis.metrics import METRIC_DESCRIPTIONS
from aecore.errors import AecoreError
from aecore.model.config import RunConfig
from aecore.runs.run import Run
from ui.compare.comparison import join_words
from ui.kit.cache import get_test_metrics
from ui.kit.figures import choose_text_colour, get_variant_colour
from ui.kit.runs import get_variant_label

NO_BEST = "No best values are marked: with one run, or on different data, splits or scaling, there is none."
BEST_STYLE = "background-color: #22883355"
BOUND_METRICS = (
    "nll_bound",
    "iwae_bound",
)  # of a density or of a probability: comparable within a likelihood only


# -- the numbers


def tabulate_metrics(chosen: Sequence[Run]) -> tuple[pd.DataFrame, list[str]]:
    """Test metrics, a row a run, in the order of DESCRIPTIONS; and a sentence for each that has none."""
    rows, problems = [], []
    for run in chosen:
        try:
            found: Mapping[str, float] = get_test_metrics(run)
        except AecoreError as error:
            found = {}
            problems.append(f"{run.id} could not be measured: {error}")
        data = run.config().data
        head = {"variant": get_variant_label(run), "run": run.id, "data": data.name if data else ""}
        rows.append({**head, **{name: found.get(name) for name in METRIC_DESCRIPTIONS}})
    frame = pd.DataFrame(rows)
    return frame.dropna(axis="columns", how="all"), problems


def mark_best(frame: pd.DataFrame, configs: Sequence[RunConfig]) -> pd.DataFrame:
    """True where a run is the best of its column: where one direction is better, and the runs are comparable."""
    marks = pd.DataFrame(False, frame.index, frame.columns)
    if len({comparison_key(config) for config in configs}) != 1:
        return marks
    for name in filter(metric_direction, frame.columns):
        column = frame[name].astype(float)
        kinds = {
            config.model.likelihood.kind
            for config, v in zip(configs, column, strict=True)
            if pd.notna(v)
        }
        if column.nunique() > 1 and (name not in BOUND_METRICS or len(kinds) == 1):
            marks[name] = column == (column.min() if metric_direction(name) < 0 else column.max())
    return marks


def comparison_key(config: RunConfig) -> tuple[Any, ...]:
    """What must be equal for test errors to be in the same units and on the same examples."""
    model, data = config.model, config.data
    split = (data.name, data.test_fraction, data.split_seed, data.limit, data.label) if data else ()
    return (model.input_shape, model.scaling, *split)


def metric_direction(metric: str) -> int:
    """-1 where lower is better, 1 where higher is, else 0."""
    text = METRIC_DESCRIPTIONS.get(metric, "")
    return 1 if "Higher is better" in text else -1 if "Lower is better" in text else 0


def explain_different_losses(configs: Mapping[str, RunConfig]) -> str:
    """A sentence where the curves' heights have different units; else empty."""
    units: dict[str, list[str]] = {}
    for name, config in configs.items():
        units.setdefault(loss_unit(config.model.likelihood), []).append(name)
    if len(units) < 2:
        return ""
    parts = [f"{unit} ({join_words(names)})" for unit, names in units.items()]
    return f"These losses have different units: {join_words(parts)}. Compare their shapes here, their sizes in the table."


def loss_unit(likelihood: Any) -> str:
    """What a loss counts: a decoder of another variance than 1/2 weighs the squared error."""
    if likelihood.kind != "gaussian" or likelihood.learned:
        return "nats"
    weight = 1 / (2 * likelihood.variance)
    return "squared error" if weight == 1 else f"{weight:.3g} x squared error"


def style_metrics(frame: pd.DataFrame, marks: pd.DataFrame, variants: Sequence[str]) -> Any:
    """The table with three significant digits, each variant in its colour and the best of a column marked."""
    fills = [get_variant_colour(name) for name in variants]
    labels = [f"background-color: {fill}; color: {choose_text_colour(fill)}" for fill in fills]
    numbers = {name: format_metric for name in frame.columns if name in METRIC_DESCRIPTIONS}
    return (
        frame.style.format(numbers, na_rep="")
        .apply(lambda _: labels, subset=["variant"])
        .apply(lambda _: marks.map(lambda good: BEST_STYLE if good else ""), axis=None)
    )


def format_metric(value: float) -> str:
    """Three significant digits, or whole with its thousands set apart; empty for what is not known."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


# -- what sets them apart


def tabulate_differences(configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """The options that are not the same in all runs: a row an option by its dotted path, a column a run."""
    flat = [dict(flatten_options(config.model_dump(mode="json"))) for config in configs.values()]
    paths = order_paths([path for values in flat for path in values])
    parts = {path.removesuffix(".kind") for path in paths if path.endswith(".kind")}
    flat = [
        {f"{path}.kind" if path in parts else path: v for path, v in values.items()}
        for values in flat
    ]
    rows = {path: [values.get(path, "") for values in flat] for path in paths if path not in parts}
    unequal = {path: row for path, row in rows.items() if len(set(row)) > 1}
    return pd.DataFrame.from_dict(unequal, orient="index", columns=list(configs)).rename_axis(
        "option"
    )


def order_paths(paths: Sequence[str]) -> list[str]:
    """Each path once, as first met, with what is under the same heading kept together."""
    met: dict[str, int] = {}

    def places(path: str) -> list[int]:
        words = path.split(".")
        return [met.setdefault(".".join(words[: i + 1]), len(met)) for i in range(len(words))]

    ranks = {path: places(path) for path in paths}
    return sorted(ranks, key=ranks.__getitem__)


def flatten_options(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested options as (dotted path, text); penalties by their kind, lists of numbers as one text."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = group_parts_by_kind(value)
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return [
            pair
            for name, item in value.items()
            for pair in flatten_options(item, f"{prefix}{name}")
        ]
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else "none"
        if value is None
        else str(value)
    )
    return [(path, text)]


def group_parts_by_kind(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Parts by their kind, with a number where there are several of one."""
    named: dict[str, Any] = {}
    for i, part in enumerate(parts):
        kind = str(part.get("kind", i))
        named[f"{kind} {i}" if kind in named else kind] = {
            name: v for name, v in part.items() if name != "kind"
        }
    return named


def tabulate_curves(chosen: Sequence[Run]) -> pd.DataFrame:
    """Every epoch of every run, for a file."""
    return pd.DataFrame([{"run": run.id, **row} for run in chosen for row in run.epochs()])
