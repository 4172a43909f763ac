"""Rows with cells hidden on purpose, filled by a run and by baselines."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.imputation import hide_cells, impute_cells
from aecore.analysis.intervals import (
    KINDS_WITH_INTERVALS,
    PredictionInterval,
    is_calibrated,
    predict_interval,
)
from aecore.data.splits import Dataset
from aecore.data.tables.columns import list_column_slices, list_heads, make_schema
from aecore.model.parts.likelihoods.mixed import Head
from aecore.model.scaling import find_binary_columns
from aecore.progress import run_parts
from aecore.runs.run import Run
from aecore.tasks.impute import FILLING_DRAWS, impute_by_baselines
from ui.kit.cache import digest_examples, get_model
from ui.kit.inputs import Inputs
from ui.kit.memory import ExamplesKey, keep_in_memory

JUDGED_ROWS, BASELINE_ROWS = 1000, 2000  # rows that are judged, training rows behind baselines
INTERVAL_SHARE = 0.9  # of the draws between an interval's ends


class FilledRows(NamedTuple):
    """Rows with cells hidden on purpose, and their fillings."""

    x: Tensor  # (N, d) as they are
    hidden: Tensor  # (N, d) bool
    fillings: dict[str, Tensor]  # (N, d) by name; the run's id first, then baselines
    interval: PredictionInterval | None  # None where the model is not variational
    is_calibrated: bool
    heads: tuple[Head, ...]  # what each column is

    @property
    def judged(self) -> Tensor:
        """Returns which hidden cells have intervals: numbers, counts and ranks, (N, d) bool."""
        kinds = [
            head.kind in KINDS_WITH_INTERVALS for head in self.heads for _ in range(head.features)
        ]
        return self.hidden & torch.tensor(kinds)


def fill_hidden_rows(
    run: Run, dataset: Dataset, inputs: Inputs, share: float, seed: int
) -> FilledRows:
    """Returns inputs with a share of their known cells hidden, drawn by a seed, and filled."""
    x = inputs.x[:JUDGED_ROWS]
    digest = digest_examples(x)
    return load_filled_rows(
        str(run.path), run.version(), dataset.name, digest, share, seed, run, dataset, x
    )


@keep_in_memory("Hiding cells, and filling them again ...")
def load_filled_rows(
    path: str,
    version: float,
    data_name: str,
    digest: ExamplesKey,
    share: float,
    seed: int,
    _run: Run,
    _dataset: Dataset,
    _x: Tensor,
) -> FilledRows:
    """Returns rows, which `digest` identifies, with cells hidden and filled."""
    model = get_model(_run)
    schema = _dataset.schema or make_schema(_dataset.columns)
    hidden = hide_cells(_x, share, seed, list(list_column_slices(schema).values()))
    masked = _x.masked_fill(hidden, torch.nan)
    own, baselines, interval = run_parts(
        lambda: impute_cells(model, masked, FILLING_DRAWS),
        lambda: impute_by_baselines(_dataset.train.x[:BASELINE_ROWS], masked),
        lambda: predict_interval(model, masked, INTERVAL_SHARE) if is_variational(model) else None,
    )
    fillings = {_run.id: own, **baselines}
    heads = list_heads(schema, find_binary_columns(_dataset.train.x).tolist())
    heads = heads or (Head(kind="number"),) * _x.shape[1]
    return FilledRows(_x.clone(), hidden, fillings, interval, is_calibrated(model), heads)


def compute_column_deviations(dataset: Dataset) -> Tensor:
    """Returns the standard deviation (d,) of the known training cells of each column."""
    x = dataset.train.x
    deviations = (x - x.nanmean(0)).square().nanmean(0).sqrt().nan_to_num(1)
    return torch.where(deviations > 1e-12, deviations, 1.0)
