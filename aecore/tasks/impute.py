"""Imputation: missing cells filled in from the observed ones of the same example.

A variational model gives them a distribution, p(x_mis | x_obs). With codes z_l of q(z|x_obs) and
weights

    w_l  ~  p(x_obs|z_l) p(z_l) / q(z_l|x_obs),     sum_l w_l = 1  (Mattei & Frellsen, 2019, MIWAE)

its mean is estimated by sum_l w_l E[x_mis|z_l], and draws of it by draws of p(x_mis|z_l) for z_l
picked with probability w_l. Any other model, a denoising one best of all, reconstructs the example
from the observed cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.bounds import is_variational
from aecore.analysis.chunks import CHUNK_BYTES, CHUNK_ROWS
from aecore.data.datasets import load_dataset
from aecore.data.splits import Dataset
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.plan import list_table_heads, make_data_config
from aecore.tasks.recipes import Settings, TaskRecipe

if TYPE_CHECKING:
    from sklearn.base import TransformerMixin

# (x, observed), in the network's units -> (..., *x.shape)
FillRows = Callable[[Tensor, Tensor], Tensor]

IMPUTER_VARIANT = "iwae"
HIDDEN_SHARE = 0.25  # of the cells, in training
FILLING_DRAWS = 300  # for each row of a table that is filled to be taken away
MOST_DRAWS, LEAST_DRAWS, DRAWS_OF_TABLE = 1000, 100, 2_000_000
SHORT_ROWS, LONG_BATCH, LONG_STEPS = 1000, 256, 6000  # of a table that is trained in steps
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
    },
)


def plan_imputer(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that makes an imputer of the table `name`: bench/fidelity/e10_imputation.py.

    Student's t for numbers is robust to a few odd cells. Where less than a quarter of the cells
    is missing, a quarter is hidden afresh at every step: on the complete breast-cancer table that
    lowers the error of hidden test cells from .64 to .59 deviations, and their 90 % interval holds
    .80 of them instead of .50. Long tables are trained for a number of steps, not of epochs.
    `settings` replace the recipe's.
    """
    settings = settings or {}
    dataset = load_dataset(make_data_config(name, {"data.missing": "keep", **settings}))
    computed = plan_steps(dataset.count) | choose_numbers(dataset, settings)
    if dataset.train.x.isnan().float().mean() < HIDDEN_SHARE:
        computed |= {"corruption.kind": "masking", "corruption.fraction": HIDDEN_SHARE}
    return IMPUTER_RECIPE.plan(name, settings, computed=computed)


def plan_steps(rows: int) -> dict[str, Any]:
    """Return the settings of the training on so many rows; none for a short table."""
    if rows <= SHORT_ROWS:
        return {}
    return {
        "bottleneck.samples": 5,
        "training.batch_size": LONG_BATCH,
        "training.epochs": max(1, round(LONG_STEPS / math.ceil(rows / LONG_BATCH))),
        "training.lr": 2e-3,
        "training.schedule": "cosine",
    }


def choose_numbers(dataset: Dataset, settings: Settings) -> dict[str, Any]:
    """Return the settings that make numbers Student's t, in a table of numbers or of mixed kinds.

    There are none where the user chose a likelihood.
    """
    if any(key == "likelihood" or key == "likelihood.kind" for key in settings):
        return {}
    if list_table_heads(dataset):
        return {"likelihood.numbers": "student_t"}
    return {"likelihood.kind": "student_t"}


def count_draws(rows: int) -> int:
    """Return how many codes are drawn for each of so many rows: fewer where rows are many."""
    return max(LEAST_DRAWS, min(MOST_DRAWS, DRAWS_OF_TABLE // max(rows, 1)))


@torch.no_grad()
def impute_cells(
    model: Autoencoder, x: Tensor, draws: int = 1000, rounds: int = 1, seed: int | None = 0
) -> Tensor:
    """Return x (N, *input_shape) with its NaN cells filled in, the others as they are.

    Variational models take their mean over so many `draws`. Others reconstruct the example `rounds`
    times, each time from the last filling; the first begins at zero, where a model that was trained
    with missing cells saw them. Without a seed, draws go on in torch's own stream.
    """

    def fill(x: Tensor, observed: Tensor) -> Tensor:
        if observed.all():
            return x
        if is_variational(model):
            return estimate_mean_cells(model, x, observed, draws)
        return reconstruct_cells(model, x, observed, rounds)

    return fill_in_chunks(model, x, draws, seed, fill)


@torch.no_grad()
def draw_imputations(
    model: Autoencoder,
    x: Tensor,
    count: int = 5,
    draws: int = 1000,
    seed: int = 0,
    noise: bool = True,
) -> Tensor:
    """Return `count` equally likely fillings of x (N, *input_shape): (count, N, *input_shape).

    Their spread is the uncertainty of an imputation (Rubin, 1987, Multiple Imputation). Without
    `noise` each is the mean given its code: for pictures, whose pixels one would not want drawn one
    by one. ConfigError for models that are not variational.
    """
    if not is_variational(model):
        raise ConfigError(
            f"{model.config.variant} gives no distribution to draw from. Use a variational model."
        )
    return fill_in_chunks(
        model,
        x,
        draws,
        seed,
        lambda x, observed: resample_cells(model, x, observed, count, draws, noise),
    )


def fill_in_chunks(
    model: Autoencoder, x: Tensor, draws: int, seed: int | None, fill: FillRows
) -> Tensor:
    """Return `fill` of as many rows at a time as memory holds, in the data's units.

    Observed cells are left alone. Without a seed, torch's own stream of random numbers goes on.
    """
    device = model.shift.device
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        parts = [
            fill_chunk(model, part.to(device), fill).cpu()
            for part in model.check_input(x).split(count_filled_rows(model, draws))
        ]
    return torch.cat(parts, dim=parts[0].dim() - x.dim())


def count_filled_rows(model: Autoencoder, draws: int) -> int:
    """Return how many rows are filled at a time: as many as memory holds with their draws."""
    draws = draws if is_variational(model) else 1
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (model.config.features * draws)))


def fill_chunk(model: Autoencoder, x: Tensor, fill: FillRows) -> Tensor:
    """Return x with its NaN cells filled in; `fill` works in the network's units."""
    observed = ~x.isnan()
    # zero also for a model that never met a missing cell
    scaled = torch.where(observed, model.to_scaled(x), 0)
    return torch.where(observed, x, model.from_scaled(fill(scaled, observed)))


# -- three ways to fill, in the network's units


def estimate_mean_cells(model: Autoencoder, x: Tensor, observed: Tensor, draws: int) -> Tensor:
    """Return the mean of p(x_mis | x_obs), like x."""
    logits, weights = draw_weighted_logits(model, x, observed, draws)
    return torch.einsum("kn,kn...->n...", weights, model.likelihood.mean(logits))


def resample_cells(
    model: Autoencoder, x: Tensor, observed: Tensor, count: int, draws: int, noise: bool
) -> Tensor:
    """Return draws of p(x_mis | x_obs), by sampling importance resampling: (count, *x.shape)."""
    logits, weights = draw_weighted_logits(model, x, observed, draws)
    picks = torch.multinomial(weights.T, count, replacement=True)  # (N, count)
    picked_logits = logits[picks.T, torch.arange(len(x), device=x.device)]
    likelihood = model.likelihood
    return likelihood.sample(picked_logits) if noise else likelihood.mean(picked_logits)


def reconstruct_cells(model: Autoencoder, x: Tensor, observed: Tensor, rounds: int) -> Tensor:
    """Return the reconstruction of x, each round from the filling of the one before."""
    filled = x
    for _ in range(rounds):
        code = model.bottleneck.snap(model.encode_scaled(filled))
        filled = torch.where(observed, x, model.likelihood.mean(model.decoder(code)))
    return filled


def draw_weighted_logits(
    model: Autoencoder, x: Tensor, observed: Tensor, draws: int
) -> tuple[Tensor, Tensor]:
    """Return logits (draws, N, ...) of codes of q(z|x), and their weights (draws, N)."""
    mean, log_variance = model.activate(model.encoder(x).out).chunk(2, dim=1)
    z, log_ratio = model.bottleneck.draw(mean, log_variance, draws)
    logits = model.decode_samples(z)
    return logits, (-model.likelihood.loss(logits, x, observed) - log_ratio).softmax(0)


# -- how good it is


class PredictionInterval(NamedTuple):
    """Two quantiles of many imputations, each like x: (N, *input_shape)."""

    low: Tensor
    high: Tensor


def predict_interval(
    model: Autoencoder, x: Tensor, share: float = 0.9, count: int = 100, draws: int = 500
) -> PredictionInterval:
    """Return the middle `share` of `count` imputations of x (N, *input_shape), with NaN cells."""
    imputations = draw_imputations(model, x, count, draws)
    edge = (1 - share) / 2
    return PredictionInterval(
        torch.quantile(imputations, edge, dim=0), torch.quantile(imputations, 1 - edge, dim=0)
    )


def hide_cells(x: Tensor, share: float, seed: int = 0) -> Tensor:
    """Choose that share of the known cells of x (N, d) to hide: bool (N, d).

    Each row keeps one known cell. ConfigError for a share that does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"The share of cells to hide must lie between 0 and 1, got {share}.")
    order = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed))
    known = ~x.isnan()
    spared = order.masked_fill(~known, -1).argmax(1, keepdim=True)
    return ((order < share) & known).scatter(1, spared, False)


def compute_imputation_rmse(filled: Tensor, x: Tensor, hidden: Tensor, deviation: Tensor) -> float:
    """Return the root mean squared error over hidden cells, each in deviations (d,) of its column.

    The other arguments are (N, d). DataError without hidden cells.
    """
    if not hidden.any():
        raise DataError(
            "No known cell was hidden, so there is no error to measure. Hide a larger share."
        )
    return ((filled - x) / deviation)[hidden].square().mean().sqrt().item()


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
        return {
            name: fill_scaled(imputer, train, x)
            for name, imputer in make_baseline_imputers().items()
        }


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
