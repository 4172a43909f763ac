"""Train every variant at its defaults on data of many kinds: `python -m bench.defaults` (hours).

Each cell is kept as it ends, so that the table may take several sittings; --sets, --variants and
--seeds narrow what is trained, and --table only makes the page anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from aecore.errors import AecoreError, ConfigError
from aecore.model.config import RunConfig
from aecore.model.variants import VARIANTS
from aecore.runs.listing import runs_folder
from aecore.runs.plan import plan_run
from bench.defaults.cells import Figures, judge_cell, measure_cell, name_cell
from bench.defaults.report import Row, write_defaults_page
from bench.defaults.sets import SETS
from bench.fidelity.cells import CellStore
from bench.results import RESULTS_FOLDER

SEEDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the cells that are not kept yet, and write the page of all that are."""
    options = build_defaults_parser().parse_args(arguments)
    torch.set_num_threads(1)  # small models: a second thread costs more than it gives
    store = CellStore(RESULTS_FOLDER / "defaults.jsonl")
    if not options.table:
        for seed in range(options.seeds):  # a seed of everything before another
            for data, config in plan_cells(options.sets, options.variants, seed):
                train_cell(store, data, config, seed)
    write_defaults_page(list(collect_rows(store)))
    return 0


def build_defaults_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.defaults", description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many of each cell")
    parser.add_argument("--table", action="store_true", help="only write the page")
    return parser


def plan_cells(
    sets: Sequence[str], variants: Sequence[str], seed: int
) -> Iterator[tuple[str, RunConfig]]:
    """Yield the runs of a seed, without variants that a set does not admit, and sets not here."""
    for data in sets:
        for variant in variants:
            try:
                yield data, plan_cell(data, variant, seed)
            except ConfigError:
                continue  # such as convolutions on a table
            except AecoreError as error:
                print(f"{data} is left out: {error}", flush=True)
                break


def plan_cell(data: str, variant: str, seed: int) -> RunConfig:
    """Return the run of a variant at its defaults on one of the sets."""
    path = runs_folder() / "defaults" / f"{data}.npz"
    settings: dict[str, Any] = {"training.seed": seed, "training.previews": 0}
    return plan_run(variant, SETS[data].place(path), settings={**SETS[data].settings, **settings})


def train_cell(store: CellStore, data: str, config: RunConfig, seed: int) -> None:
    """Measure a cell unless it is kept, and print its verdict."""
    key = name_cell(data, seed, config)
    is_new = key not in store.figures
    figures = Figures(*store.measure(key, lambda: list(measure_cell(config))))
    if is_new:
        print(f"    {judge_cell(figures, config.model)}", flush=True)


def collect_rows(store: CellStore) -> Iterator[Row]:
    """Yield a row for each variant and set with cells of its present defaults."""
    kept = {tuple(key.split()[:2]) for key in store.figures}
    cells = (
        cell
        for data in SETS
        for cell in plan_cells([data], [v for v in VARIANTS if (data, v) in kept], 0)
    )
    for data, config in cells:
        assert config.training is not None
        seeds = []
        for seed in range(SEEDS):
            training = config.training.model_copy(update={"seed": seed})
            key = name_cell(data, seed, config.model_copy(update={"training": training}))
            if key in store.figures:
                seeds.append(Figures(*store.figures[key]))
        if seeds:
            yield Row(data, config.model, seeds)


if __name__ == "__main__":
    sys.exit(main())
