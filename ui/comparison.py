"""The logic of the Compare page: the same inputs through several runs, their numbers, and what sets them apart."""

from __future__ import annotations

import base64
import html
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from aecore import latent
from aecore.config import RunConfig
from aecore.data import Dataset, as_float
from aecore.errors import AecoreError
from aecore.metrics import DESCRIPTIONS
from aecore.pictures import Block, heat, png, signed, strip, tile_width, tiles
from aecore.runs import Run
from aecore.variants import VARIANTS
from ui import cache, figures, state

MOST = 8  # runs at a time
FIRST = 4  # runs that a first visit shows
SHARE = 0.99  # of the values lie inside a colour scale; the few beyond it are drawn at full colour
NO_BEST = "No best values are marked: with one run, or on different data, splits or scaling, there is none."
BEST = "background-color: #22883355"
BOUNDS = ("nll_bound", "iwae_bound")  # of a density or of a probability: comparable within a likelihood only


def first_choice(known: Sequence[Run]) -> list[str]:
    """Up to four runs like the newest in shape and data, of different families where there are any."""
    configs = {run.id: run.config() for run in known}
    newest = configs[known[0].id]
    alike = [i for i, c in configs.items() if same_inputs(c, newest)]
    families: dict[str, str] = {}
    for i in alike:
        variant = VARIANTS.get(configs[i].model.variant)
        families.setdefault(variant.family if variant else "", i)
    chosen = [*families.values(), *(i for i in alike if i not in families.values())][:FIRST]
    return [i for i in configs if i in chosen]


def same_inputs(a: RunConfig, b: RunConfig) -> bool:
    names = [c.data.name if c.data else None for c in (a, b)]
    return a.model.input_shape == b.model.input_shape and names[0] == names[1]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# -- the same inputs


@dataclass(frozen=True)
class Result:
    """What one run makes of examples (N, *input_shape), in the data's units."""

    run: Run
    variant: str
    saw: Tensor | None  # the corrupted input, where the run has a corruption
    z: Tensor  # (N, latent_dim)
    rebuilt: Tensor


def pass_through(run: Run, x: Tensor, seed: int) -> Result:
    """The run's view of x; its noise, as in training, is the same for the same seed."""
    model, saw = cache.model(run), None
    if corruption := model.config.corruption:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            saw = model.from_scaled(corruption(model.to_scaled(x)))
    z = latent.codes(model, x if saw is None else saw)
    return Result(run, model.config.variant, saw, z, latent.decode(model, z))


def pass_all(chosen: Sequence[Run], x: Tensor, seed: int) -> tuple[list[Result], list[str]]:
    """The views of all runs that can be loaded, and a sentence for each that cannot."""
    results, problems = [], []
    for run in chosen:
        try:
            results.append(pass_through(run, x, seed))
        except AecoreError as error:
            problems.append(str(error))
    return results, problems


def fitting(chosen: Sequence[Run]) -> tuple[list[Run], str]:
    """The runs that take the first one's inputs, and a sentence on the others and on foreign data."""
    first, remarks = chosen[0].config(), []
    fits = [run for run in chosen if run.config().model.input_shape == first.model.input_shape]
    shape = " x ".join(map(str, first.model.input_shape))
    if others := [run.id for run in chosen if run not in fits]:
        remarks.append(f"Not in the picture, as they do not take inputs of {shape}: {listed(others)}.")
    if foreign := [run.id for run in fits if not same_inputs(run.config(), first)]:
        name = first.data.name if first.data else "the inputs shown"
        remarks.append(f"Trained on other data than {name}: {listed(foreign)}.")
    return fits, " ".join(remarks)


def is_scatter(shape: Sequence[int]) -> bool:
    """Whether examples are points that can be drawn where they lie."""
    return len(shape) == 1 and shape[0] in (2, 3)


def blocks(data: Dataset, x: Tensor, results: Sequence[Result]) -> tuple[list[Block], float]:
    """The picture's rows, the inputs first; and the error at which its colours are full, shared by all runs."""
    spread = column_spread(data)
    shown = [x, *(r.rebuilt for r in results)]
    limit = reach([(values - spread[0]) / spread[1] for values in shown])
    errors = [(r.rebuilt - x) / spread[1] for r in results]
    most, width = reach(errors), tile_width(data.input_shape)

    def draw(values: Tensor) -> Tensor:
        return tiles((values - spread[0]) / spread[1], limit)

    made = [Block("The same inputs", "", "#888888", {"input": strip(draw(x), width)})]
    for result, error in zip(results, errors, strict=True):
        rows = {} if result.saw is None else {"seen": draw(result.saw)}
        error_tiles = signed(error, most) if error.dim() == 4 else tiles(error, most)
        rows |= {"code": heat(result.z), "rebuilt": draw(result.rebuilt), "error": error_tiles}
        strips = {name: strip(row, width) for name, row in rows.items()}
        made.append(Block(state.label_of(result.run), result.run.id, figures.colour(result.variant), strips))
    return made, most


def column_spread(data: Dataset) -> tuple[Tensor | float, Tensor | float]:
    """What to subtract and divide by for display: nothing for pixels, mean and deviation of a table's columns."""
    if data.kind == "image":
        return 0.0, 1.0
    x = as_float(data.test.x).numpy()
    with warnings.catch_warnings():  # a column of which no cell is known has no mean
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, std = (torch.from_numpy(np.nan_to_num(f(x, axis=0))) for f in (np.nanmean, np.nanstd))
    return mean, std.clamp(min=1e-12)


def reach(values: Sequence[Tensor]) -> float:
    """Where a colour scale ends: two digits, above nearly all values that are known."""
    known = torch.cat([v[~v.isnan()] for v in values]).abs().numpy()
    return (float(f"{np.quantile(known, SHARE):.2g}") if len(known) else 0.0) or 1.0


STYLE = """<style>
.cmp {display: flex; flex-direction: column; gap: 1rem}
.cmp section {border-left: .3rem solid; padding-left: .75rem; display: flex; flex-direction: column; gap: .15rem}
.cmp header {display: flex; flex-wrap: wrap; column-gap: .6rem; align-items: baseline}
.cmp header span, .cmp figcaption {opacity: .7; font-size: .85rem; overflow-wrap: anywhere}
.cmp figure {display: grid; grid-template-columns: 4rem 1fr; align-items: center; margin: 0}
.cmp img {width: 100%; display: block}
@media (max-width: 640px) {
  .cmp figure {grid-template-columns: 1fr} .cmp figcaption {font-size: .75rem; line-height: 1.3}
}
</style>"""


def as_html(parts: Sequence[Block], count: int) -> str:
    """The picture for the page: crisp text at any width, examples in columns that line up across runs."""
    sections = []
    for part in parts:
        title, detail = html.escape(part.title), html.escape(part.detail)
        rows = []
        for name, image in part.strips.items():
            alt = html.escape(f"{name}, {count} examples: {part.title} {part.detail}".strip(), quote=True)
            source = f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
            rows.append(f'<figure><figcaption>{name}</figcaption><img src="{source}" alt="{alt}"></figure>')
        head = f"<header><strong>{title}</strong> <span>{detail}</span></header>"
        sections.append(f'<section style="border-color: {part.colour}">{head}{"".join(rows)}</section>')
    return f'{STYLE}<div class="cmp">{"".join(sections)}</div>'


# -- the numbers


def measured(chosen: Sequence[Run]) -> tuple[pd.DataFrame, list[str]]:
    """Test metrics, a row a run, in the order of DESCRIPTIONS; and a sentence for each that has none."""
    rows, problems = [], []
    for run in chosen:
        try:
            found: Mapping[str, float] = cache.test_metrics(run)
        except AecoreError as error:
            found = {}
            problems.append(f"{run.id} could not be measured: {error}")
        data = run.config().data
        head = {"variant": state.label_of(run), "run": run.id, "data": data.name if data else ""}
        rows.append({**head, **{name: found.get(name) for name in DESCRIPTIONS}})
    frame = pd.DataFrame(rows)
    return frame.dropna(axis="columns", how="all"), problems


def best(frame: pd.DataFrame, configs: Sequence[RunConfig]) -> pd.DataFrame:
    """True where a run is the best of its column: where one direction is better, and the runs are comparable."""
    marks = pd.DataFrame(False, frame.index, frame.columns)
    if len({measured_on(config) for config in configs}) != 1:
        return marks
    for name in filter(direction, frame.columns):
        column = frame[name].astype(float)
        kinds = {config.model.likelihood.kind for config, v in zip(configs, column, strict=True) if pd.notna(v)}
        if column.nunique() > 1 and (name not in BOUNDS or len(kinds) == 1):
            marks[name] = column == (column.min() if direction(name) < 0 else column.max())
    return marks


def measured_on(config: RunConfig) -> tuple[Any, ...]:
    """What must be equal for test errors to be in the same units and on the same examples."""
    model, data = config.model, config.data
    split = (data.name, data.test_fraction, data.split_seed, data.limit, data.label) if data else ()
    return (model.input_shape, model.scaling, *split)


def direction(metric: str) -> int:
    """-1 where lower is better, 1 where higher is, else 0."""
    text = DESCRIPTIONS.get(metric, "")
    return 1 if "Higher is better" in text else -1 if "Lower is better" in text else 0


def losses_differ(configs: Mapping[str, RunConfig]) -> str:
    """A sentence where the curves' heights have different units; else empty."""
    units: dict[str, list[str]] = {}
    for name, config in configs.items():
        units.setdefault(loss_unit(config.model.likelihood), []).append(name)
    if len(units) < 2:
        return ""
    parts = [f"{unit} ({listed(names)})" for unit, names in units.items()]
    return f"These losses have different units: {listed(parts)}. Compare their shapes here, their sizes in the table."


def loss_unit(likelihood: Any) -> str:
    """What a loss counts: a decoder of another variance than 1/2 weighs the squared error."""
    if likelihood.kind != "gaussian" or likelihood.learned:
        return "nats"
    weight = 1 / (2 * likelihood.variance)
    return "squared error" if weight == 1 else f"{weight:.3g} x squared error"


def styled(frame: pd.DataFrame, marks: pd.DataFrame, variants: Sequence[str]) -> Any:
    """The table with three significant digits, each variant in its colour and the best of a column marked."""
    fills = [figures.colour(name) for name in variants]
    labels = [f"background-color: {fill}; color: {figures.ink(fill)}" for fill in fills]
    numbers = {name: text for name in frame.columns if name in DESCRIPTIONS}
    return (
        frame.style.format(numbers, na_rep="")
        .apply(lambda _: labels, subset=["variant"])
        .apply(lambda _: marks.map(lambda good: BEST if good else ""), axis=None)
    )


def text(value: float) -> str:
    """Three significant digits, or whole with its thousands set apart; empty for what is not known."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


# -- what sets them apart


def differences(configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """The options that are not the same in all runs: a row an option by its dotted path, a column a run."""
    flat = [dict(flatten(config.model_dump(mode="json"))) for config in configs.values()]
    paths = in_order([path for values in flat for path in values])
    parts = {path.removesuffix(".kind") for path in paths if path.endswith(".kind")}
    flat = [{f"{path}.kind" if path in parts else path: v for path, v in values.items()} for values in flat]
    rows = {path: [values.get(path, "") for values in flat] for path in paths if path not in parts}
    unequal = {path: row for path, row in rows.items() if len(set(row)) > 1}
    return pd.DataFrame.from_dict(unequal, orient="index", columns=list(configs)).rename_axis("option")


def in_order(paths: Sequence[str]) -> list[str]:
    """Each path once, as first met, with what is under the same heading kept together."""
    met: dict[str, int] = {}

    def places(path: str) -> list[int]:
        words = path.split(".")
        return [met.setdefault(".".join(words[: i + 1]), len(met)) for i in range(len(words))]

    ranks = {path: places(path) for path in paths}
    return sorted(ranks, key=ranks.__getitem__)


def flatten(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested options as (dotted path, text); penalties by their kind, lists of numbers as one text."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = by_kind(value)
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return [pair for name, item in value.items() for pair in flatten(item, f"{prefix}{name}")]
    text = ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
    return [(path, text)]


def by_kind(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Parts by their kind, with a number where there are several of one."""
    named: dict[str, Any] = {}
    for i, part in enumerate(parts):
        kind = str(part.get("kind", i))
        named[f"{kind} {i}" if kind in named else kind] = {name: v for name, v in part.items() if name != "kind"}
    return named


def curve_rows(chosen: Sequence[Run]) -> pd.DataFrame:
    """Every epoch of every run, for a file."""
    return pd.DataFrame([{"run": run.id, **row} for run in chosen for row in run.epochs()])
