"""E14: a third of a mixed table filled in, words and numbers, with intervals that hold.

Four tables that packages carry and one that is generated; packages: bench/requirements.txt.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from aecore.analysis.imputation import impute_cells
from aecore.analysis.intervals import predict_interval
from aecore.data.tables.cells import decode_columns
from aecore.data.tables.columns import list_column_slices
from aecore.data.tables.reading import read_further_table
from aecore.model.config import DataConfig
from aecore.tasks.impute import plan_imputer
from bench.fidelity.cells import CellStore
from bench.fidelity.experiment import Check, Experiment, Lab, Result, at_most
from bench.fidelity.rows import RESULTS

HIDDEN, MASKS, DRAWS = 0.3, 10, 1000
COVERAGE = (0.88, 0.92)
HOUSE, CHAINED, FOREST = "here", "chained regressions", "miceforest"
METHODS = (HOUSE, CHAINED, FOREST)
TUNED_ON = ("penguins", "tips", "cars", "generated")
PASSES = 5  # of miceforest, and tables that it draws


Cells = np.ndarray[Any, np.dtype[np.bool_]]  # which cells of a table


class MixedTable(NamedTuple):
    """A table whose columns are numbers, or words."""

    frame: pd.DataFrame  # float64 and object
    words: tuple[str, ...]

    @property
    def numbers(self) -> list[str]:
        """Returns the names of the other columns."""
        return [name for name in self.frame if name not in self.words]


class FilledTable(NamedTuple):
    """A table filled in, and the ends of 90 % intervals of its numbers."""

    frame: pd.DataFrame
    low: pd.DataFrame | None = None
    high: pd.DataFrame | None = None


class Figures(NamedTuple):
    """What one way makes of the hidden cells of one mask."""

    wrong: float  # share of words
    nrmse: float  # of numbers, in deviations
    coverage: float  # of 90 % intervals; 0 of a way that has none
    cells: int  # hidden numbers
    seconds: float


# -- the tables


def load_penguins() -> MixedTable:
    """Returns birds of three species."""
    from palmerpenguins import load_penguins

    return make_mixed_table(load_penguins(), ("species", "island", "sex"))


def load_tips() -> MixedTable:
    """Returns bills of a restaurant."""
    from plotly.data import tips

    return make_mixed_table(tips(), ("sex", "smoker", "day", "time"))


def load_cars() -> MixedTable:
    """Returns cars of the seventies; their names, nearly all different, are left out."""
    from vega_datasets import data

    frame = data.cars().drop(columns="Name")
    frame["Year"] = pd.DatetimeIndex(frame["Year"]).year
    frame["Cylinders"] = frame["Cylinders"].astype(str)
    return make_mixed_table(frame, ("Cylinders", "Origin"))


def load_fair() -> MixedTable:
    """Returns answers of 6,366 women on their marriages."""
    from statsmodels.datasets import fair

    frame = fair.load_pandas().data
    words = ("occupation", "occupation_husb")
    for name in words:
        frame[name] = "job " + frame[name].astype(int).astype(str)
    return make_mixed_table(frame, words)


def generate_table(rows: int = 800) -> MixedTable:
    """Returns words and numbers that two hidden variables make, bent and with noise."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, rows))
    noise = rng.normal(size=(6, rows))
    season = np.array(["spring", "summer", "autumn", "winter"])
    place = ((np.arctan2(b, a) / (2 * np.pi)) % 1 * 4).astype(int)
    return make_mixed_table(
        pd.DataFrame(
            {
                "season": season[place],
                "heat": 2 * a + 0.3 * noise[0],
                "rain": np.exp(0.6 * b + 0.2 * noise[1]),
                "growth": a * b + 0.3 * noise[2],
                "wind": a**2 - b + 0.3 * noise[3],
                "open": np.where(a + 0.3 * noise[4] > 0, "yes", "no"),
                "size": np.array(["small", "medium", "large"])[
                    np.digitize(b + 0.3 * noise[5], [-0.6, 0.6])
                ],
            }
        ),
        ("season", "open", "size"),
    )


def make_mixed_table(frame: pd.DataFrame, words: tuple[str, ...]) -> MixedTable:
    """Returns a table with its words as objects and its numbers as floats, missing ones NaN."""
    columns: dict[str, Any] = {}
    for name in frame:
        cells = frame[name]
        if name in words:
            columns[name] = np.where(cells.isna(), np.nan, cells.astype(object))
        else:
            columns[name] = cells.to_numpy(np.float64, na_value=np.nan)
    return MixedTable(
        pd.DataFrame({name: pd.Series(cells) for name, cells in columns.items()}), words
    )


TABLES: Mapping[str, Callable[[], MixedTable]] = {
    "penguins": load_penguins,
    "tips": load_tips,
    "cars": load_cars,
    "fair": load_fair,
    "generated": generate_table,
}


def hide_table_cells(table: MixedTable, seed: int) -> Cells:
    """Returns which known cells are hidden, about 30 %; each row keeps one."""
    rng = np.random.default_rng(seed)
    order = rng.random(table.frame.shape)
    known = table.frame.notna().to_numpy()
    hidden = (order < HIDDEN) & known
    spared = np.where(known, order, -1).argmax(1)
    hidden[np.arange(len(hidden)), spared] = False
    return hidden


# -- the ways


def fill_by_house(lab: Lab, name: str, masked: MixedTable, **settings: Any) -> FilledTable:
    """Train the imputation task's own recipe on the table, and fill it."""
    path = lab.folder / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    masked.frame.to_csv(path, index=False)
    kinds = {f"data.columns.{column}": "number" for column in masked.numbers}
    kinds |= {f"data.columns.{column}": "category" for column in masked.words}
    chosen: dict[str, Any] = {
        **kinds,
        "data.test_fraction": 1 / len(masked.frame),  # the rows trained with are filled
        "training.previews": 0,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    trained = lab.train_config(name, plan_imputer(str(path), chosen))
    reading = trained.run.config().data or DataConfig()
    data = read_further_table(path, reading)
    x, schema = torch.from_numpy(data.x), data.schema
    filled = decode_columns(schema, impute_cells(trained.model, x, DRAWS).numpy())
    interval = predict_interval(trained.model, x)
    ends = []
    for values in interval:
        places = {c: part.start for c, part in list_column_slices(schema).items()}
        ends.append(pd.DataFrame({c: values[:, places[c]].numpy() for c in masked.numbers}))
    return FilledTable(pd.DataFrame({c: filled[c] for c in masked.frame}), *ends)


def fill_by_chained_regressions(masked: MixedTable) -> FilledTable:
    """Fill by scikit-learn's IterativeImputer on one-hot words and scaled numbers."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - for the next line
    from sklearn.impute import IterativeImputer

    frame = masked.frame
    numbers = frame[masked.numbers]
    scaled = (numbers - numbers.mean()) / numbers.std()
    one_hot = {
        name: pd.get_dummies(frame[name]).astype(float).where(frame[name].notna(), axis=0)
        for name in masked.words
    }
    x = pd.concat([scaled, *one_hot.values()], axis=1).to_numpy()
    filled = IterativeImputer(random_state=0).fit_transform(x)
    start = len(masked.numbers)
    found = numbers.std().to_numpy() * filled[:, :start] + numbers.mean().to_numpy()
    result = pd.DataFrame(found, columns=masked.numbers)
    for name, block in one_hot.items():
        places = filled[:, start : start + block.shape[1]].argmax(1)
        result[name] = block.columns.to_numpy()[places]
        start += block.shape[1]
    return FilledTable(result)


def fill_by_forest(masked: MixedTable) -> FilledTable:
    """Fill by miceforest: the mean of its tables for numbers, their commonest word for words."""
    try:
        kernel = run_forest(masked, "normal")
    except ValueError:  # it looks for neighbours of logits, which are infinite where it is certain
        kernel = run_forest(masked, "fast")
    tables = [kernel.complete_data(dataset=i) for i in range(PASSES)]
    result = {}
    for name in masked.frame:
        cells = pd.concat([table[name].astype(object) for table in tables], axis=1)
        is_word = name in masked.words
        result[name] = cells.mode(axis=1)[0] if is_word else cells.astype(float).mean(axis=1)
    return FilledTable(pd.DataFrame(result))


def run_forest(masked: MixedTable, words_strategy: str) -> Any:
    """Returns miceforest's kernel, with this way of drawing words from its probabilities."""
    import miceforest

    frame = masked.frame.copy()
    for name in masked.words:
        frame[name] = frame[name].astype("category")
    strategy = {name: words_strategy if name in masked.words else "normal" for name in frame}
    kernel = miceforest.ImputationKernel(
        frame, num_datasets=PASSES, mean_match_strategy=strategy, random_state=0
    )
    kernel.mice(PASSES, num_threads=1)
    return kernel


# -- the figures


def measure_filling(
    table: MixedTable, hidden: Cells, filled: FilledTable, seconds: float
) -> Figures:
    """Compare the hidden cells with what they were filled with."""
    mask = pd.DataFrame(hidden, columns=table.frame.columns)
    wrong = [
        (table.frame[name] != filled.frame[name])[mask[name]].to_numpy() for name in table.words
    ]
    squares, inside = [], []
    for name in table.numbers:
        rows, truth = mask[name], table.frame[name]
        errors = (filled.frame[name] - truth)[rows] / truth.std()
        squares.append(errors.to_numpy() ** 2)
        if filled.low is not None and filled.high is not None:
            held = (truth >= filled.low[name] - 1e-4) & (truth <= filled.high[name] + 1e-4)
            inside.append(held[rows].to_numpy())
    return Figures(
        float(np.concatenate(wrong).mean()),
        float(np.concatenate(squares).mean() ** 0.5),
        float(np.concatenate(inside).mean()) if inside else 0.0,
        sum(map(len, squares)),
        seconds,
    )


def measure_mask(lab: Lab, cells: CellStore, name: str, seed: int) -> dict[str, Figures]:
    """Returns the figures of all ways for one mask of a table, from `cells` where they are."""
    table = TABLES[name]()
    hidden = hide_table_cells(table, seed)
    masked = MixedTable(table.frame.mask(hidden), table.words)
    run = f"{name}-{seed}"
    ways: dict[str, Callable[[], FilledTable]] = {
        HOUSE: lambda: fill_by_house(lab, run, masked, training__seed=seed, data__split_seed=seed),
        CHAINED: lambda: fill_by_chained_regressions(masked),
        FOREST: lambda: fill_by_forest(masked),
    }
    return {
        method: Figures(
            *cells.measure(f"{run} {method}", partial(measure_way, table, hidden, fill))
        )
        for method, fill in ways.items()
    }


def measure_way(table: MixedTable, hidden: Cells, fill: Callable[[], FilledTable]) -> list[float]:
    """Returns the figures of one way for one mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of regressions that do not converge
        started = time.perf_counter()
        filled = fill()
    return [*measure_filling(table, hidden, filled, time.perf_counter() - started)]


def run_full(lab: Lab) -> Result:
    """Check all tables, ten masks each; each cell is kept in docs/results/fidelity as it ends."""
    torch.set_num_threads(1)
    cells = CellStore(RESULTS / "E14.jsonl")
    checks: list[Check] = []
    lab.seconds = 0.0
    for name in TABLES:
        figures = [measure_mask(lab, cells, name, seed) for seed in range(MASKS)]
        checks += list_table_checks(name, figures)
        lab.seconds += sum(one.seconds for ways in figures for one in ways.values())
    lab.seconds_here = time.perf_counter() - lab.started  # which the cells tell, of all sittings
    return Result(
        checks,
        seeds=tuple(range(MASKS)),
        notes="30 % of the known cells hidden, ten masks, the rows trained with filled. Numbers: "
        "root mean square of the error in deviations of the column; words: share wrong. "
        "IterativeImputer sees words one-hot and numbers scaled; miceforest draws five tables, "
        "whose mean and commonest word count. Each mask has its own seed of weights and of "
        "calibrating cells. The recipe was chosen on "
        f"{', '.join(TUNED_ON)}, with other masks; fair is reported. Four such masks of tips and "
        "of cars, NRMSE (and the share of cars' words that are wrong): 6 code units .792, .503 "
        "(.147); with a linear path from PCA .791, .491 (.140), of 200 epochs .788, .507 (.154); "
        "3 units with the path .800, .489 (.164). The mean of four models of other seeds gains .5 "
        "to 1 %.",
    )


def list_table_checks(name: str, figures: Sequence[Mapping[str, Figures]]) -> Iterator[Check]:
    """Yield the checks of one table: words, numbers, coverage, and the times."""
    for label, field in (("wrong words", "wrong"), ("NRMSE of numbers", "nrmse")):
        means = {m: mean(getattr(one[m], field) for one in figures) for m in METHODS}
        spread = stdev(getattr(one[HOUSE], field) for one in figures)
        best = min(means[CHAINED], means[FOREST])
        yield Check(f"{label}, {name}", means[HOUSE], at_most(best), spread=spread)
        for method in (CHAINED, FOREST):
            yield Check(f"{label}, {name}, {method}", means[method])
    cells = sum(one[HOUSE].cells for one in figures)
    inside = sum(one[HOUSE].coverage * one[HOUSE].cells for one in figures) / cells
    yield Check(f"inside 90 % intervals, {name}, {cells:,} cells", inside, COVERAGE)


def run_quick(lab: Lab) -> Result:
    """Check a short training on the table that is generated."""
    table = generate_table(300)
    hidden = hide_table_cells(table, 0)
    masked = MixedTable(table.frame.mask(hidden), table.words)
    filled = fill_by_house(lab, "quick", masked, training__epochs=60, training__lr=3e-3)
    figures = measure_filling(table, hidden, filled, 0.0)
    return Result(
        [
            Check("wrong words, generated, short", figures.wrong, at_most(0.45)),
            Check("NRMSE of numbers, generated, short", figures.nrmse, at_most(0.95)),
            Check("inside 90 % intervals, generated, short", figures.coverage, (0.8, 0.98)),
        ]
    )


EXPERIMENT = Experiment(
    "E14",
    "Filling in mixed tables",
    "Columns that are modelled as what they are fill each other in no worse than chained "
    "regressions and forests do, and calibrated intervals hold what they promise.",
    "Nazábal et al. (2020), Handling Incomplete Heterogeneous Data using VAEs",
    "https://doi.org/10.1016/j.patcog.2020.107501",
    run_full,
    run_quick,
)
