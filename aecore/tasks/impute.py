"""Imputation: the recipe, errors, and what to compare it with (aecore.analysis.imputation)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.intervals import SHORT_ROWS
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import DataError
from aecore.model.config import RunConfig
from aecore.model.parts.likelihoods.mixed import Head
from aecore.model.variants.overrides import PATH_OPTION
from aecore.progress import track_progress
from aecore.runs.plan import make_data_config
from aecore.tasks.recipes import Settings, TaskRecipe

if TYPE_CHECKING:
    from sklearn.base import TransformerMixin

IMPUTER_VARIANT = "iwae"
HIDDEN_SHARE = 0.25  # of the cells, in training
FILLING_DRAWS = 300  # for each row of a table that is filled to be taken away
MANY_CELLS = 5_000
MOST_DRAWS, LEAST_DRAWS, DRAWS_OF_TABLE = 1000, 100, 2_000_000
LONG_BATCH, LONG_STEPS = 256, 4000  # of a table that is trained in steps
IMPUTER_RECIPE = TaskRecipe(
    IMPUTER_VARIANT,
    {
        "data.missing": "keep",
        "data.validation_fraction": 0,
        "network.hidden": (128, 128),
        "network.activation": "relu",
        "bottleneck.samples": 20,
        "training.epochs": 600,
        "training.batch_size": 64,
        "training.lr": 1e-3,
        "training.schedule": "constant",
        "training.averaged": 0.5,
    },
)
MIXED_UNITS = 32  # at most, of a code with one for each column
SHORT_MIXED_SETTINGS: dict[str, Any] = {  # bench/fidelity/e14_mixed.py
    "bottleneck.samples": 5,
    "training.epochs": 400,
    "training.optimizer": "adamw",
    "training.weight_decay": 0.15,
}


def plan_imputer(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that makes an imputer of the table `name`: bench/fidelity/e10_imputation.py.

    Student's t for a table of numbers is robust to a few odd cells. Where less than a quarter of
    the cells is missing, a quarter is hidden afresh at every step: on the complete breast-cancer
    table that lowers the error of hidden test cells from .64 to .59 deviations, and their 90 %
    interval holds .80 of them instead of .50. Long tables are trained for a number of steps, not of
    epochs; of short ones the weights of the second half of the epochs are averaged. A model of
    mixed kinds begins as PCA with a code unit for each column; on short ones its weights decay.
    `settings` replace the recipe's.
    """
    settings = settings or {}
    dataset = load_dataset(make_data_config(name, {"data.missing": "keep", **settings}))
    computed = {
        **plan_steps(dataset),
        **choose_calibration(dataset),
        **choose_numbers(dataset, settings),
    }
    if dataset.train.x.isnan().float().mean() < HIDDEN_SHARE:
        computed |= {"corruption.kind": "masking", "corruption.fraction": HIDDEN_SHARE}
    run = IMPUTER_RECIPE.plan(name, settings, computed=computed)
    begins_as_pca = bool(dataset.traits.heads) and PATH_OPTION not in settings
    return with_possible_path(run) if begins_as_pca else run


def with_possible_path(run: RunConfig) -> RunConfig:
    """Return the run with a linear path that begins as PCA, where its parts can have one."""
    if run.model.explain_no_path():
        return run
    network = run.model.network.with_linear_path(True)
    return run.model_copy(update={"model": run.model.model_copy(update={"network": network})})


def plan_steps(dataset: Dataset) -> dict[str, Any]:
    """Return the settings of the training, and those of a table of mixed kinds."""
    heads = dataset.traits.heads
    mixed = {"latent_dim": min(max(2, len(heads)), MIXED_UNITS)} if heads else {}
    if dataset.count <= SHORT_ROWS:
        return mixed | (SHORT_MIXED_SETTINGS if heads else {})
    return mixed | {
        "bottleneck.samples": 5,
        "training.batch_size": LONG_BATCH,
        "training.epochs": max(1, round(LONG_STEPS / math.ceil(dataset.count / LONG_BATCH))),
        "training.lr": 2e-3,
        "training.schedule": "cosine",
        "training.averaged": 0,
    }


def choose_numbers(dataset: Dataset, settings: Settings) -> dict[str, Any]:
    """Return the distribution of numbers: Student's t, or in a mixed table a Gaussian with spread.

    There, long tails are more often what the column is like than odd cells, and Student's t fills
    in values below their mean. None where the user chose a likelihood.
    """
    if any(key == "likelihood" or key == "likelihood.kind" for key in settings):
        return {}
    if dataset.traits.heads:
        return {"likelihood.numbers": "gaussian_spread"}
    return {"likelihood.kind": "student_t"}


def choose_calibration(dataset: Dataset) -> dict[str, Any]:
    """Return the share of known cells by which intervals are calibrated; more where few are.

    Of a short table it is held out of copies alone (aecore/training/calibration.py).
    """
    if dataset.count <= SHORT_ROWS:
        return {"calibration": 0.25}
    known = int((~dataset.train.x.isnan()).sum())
    return {"calibration": 0.05 if known >= MANY_CELLS else 0.1}


def count_draws(rows: int) -> int:
    """Return how many codes are drawn for each of so many rows: fewer where rows are many."""
    return max(LEAST_DRAWS, min(MOST_DRAWS, DRAWS_OF_TABLE // max(rows, 1)))


# -- how good it is


def compute_imputation_rmse(filled: Tensor, x: Tensor, hidden: Tensor, deviation: Tensor) -> float:
    """Return the root mean squared error over hidden cells, each in deviations (d,) of its column.

    The other arguments are (N, d). DataError without hidden cells.
    """
    if not hidden.any():
        raise DataError(
            "No known cell was hidden, so there is no error to measure. Hide a larger share."
        )
    return ((filled - x) / deviation)[hidden].square().mean().sqrt().item()


class FillingErrors(NamedTuple):
    """Errors of hidden cells by the kind of their columns; None where none was hidden."""

    numbers: float | None  # root mean square, in deviations of the column
    words: float | None  # share of words and flags that are wrong


def compute_filling_errors(
    heads: Sequence[Head], filled: Tensor, x: Tensor, hidden: Tensor, deviation: Tensor
) -> FillingErrors:
    """Return the errors of hidden cells: all tensors (N, d), `deviation` (d,).

    `heads` say what each column is; counts and ranks are numbers too.
    """
    wrong, numeric, start = [], torch.zeros(x.shape[1], dtype=torch.bool), 0
    for head in heads:
        part = slice(start, start + head.features)
        start += head.features
        rows = hidden[:, part.start]
        if head.kind == "category":
            wrong.append(filled[rows, part].argmax(1) != x[rows, part].argmax(1))
        elif head.kind == "boolean":
            wrong.append(((filled[rows, part] >= 0.5) != (x[rows, part] >= 0.5)).flatten())
        else:
            numeric[part] = True
    judged, words = hidden & numeric, torch.cat(wrong) if wrong else torch.empty(0)
    return FillingErrors(
        compute_imputation_rmse(filled, x, judged, deviation) if judged.any() else None,
        words.float().mean().item() if len(words) else None,
    )


# -- what to compare it with


def impute_by_baselines(train: Tensor, x: Tensor) -> dict[str, Tensor]:
    """Return {name: x (N, d) filled in} of column means, neighbours and chained regressions.

    All are fitted to `train` (M, d). Troyanskaya et al. (2001) for the neighbours, van Buuren &
    Groothuis-Oudshoorn (2011) for the chained regressions. Columns are scaled for all three, so
    that none counts more for its unit.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of which nothing is known
        imputers = list(make_baseline_imputers().items())
        return {name: fill_scaled(imputer, train, x) for name, imputer in track_progress(imputers)}


def make_baseline_imputers() -> dict[str, TransformerMixin]:
    """Return {name: imputer} of scikit-learn."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - for the next line
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    return {
        "column means": SimpleImputer(keep_empty_features=True),
        "5 nearest rows": KNNImputer(keep_empty_features=True),
        "chained regressions": IterativeImputer(
            max_iter=10, random_state=0, keep_empty_features=True
        ),
    }


def fill_scaled(imputer: TransformerMixin, train: Tensor, x: Tensor) -> Tensor:
    """Return x (N, d) filled in by an imputer that is fitted to `train` (M, d), columns scaled."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    pipeline = make_pipeline(scaler, imputer).fit(train.double().numpy())
    filled = np.nan_to_num(scaler.inverse_transform(pipeline.transform(x.double().numpy())))
    return torch.where(x.isnan(), torch.from_numpy(filled).to(x.dtype), x)
