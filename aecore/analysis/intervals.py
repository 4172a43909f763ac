"""Intervals of filled cells that hold what they promise: split conformal prediction.

A model's own intervals are too narrow, or too wide. Some known cells are therefore held out of a
training altogether, and filled: of the model's own, or where cells are few of that of copies
(aecore/training/calibration.py). How far each truth lies from the middle of its draws, in the
model's own half interval on that side,

    s = (x - m) / (u - m) above the median m, (m - x) / (m - l) below it,

has quantiles q, one for each column or pooled where a column has few cells. The interval of a new
cell is m - q (m - l) to m + q (u - m): whatever the model, it holds the promised share of cells
that are missing as those were (Vovk et al., 2005, Algorithmic Learning in a Random World; Romano et
al., 2019, Conformalized Quantile Regression).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.imputation import draw_imputations, hide_cells, spread_columns
from aecore.model.autoencoder import Autoencoder
from aecore.model.calibration import PROMISES
from aecore.model.config import ModelConfig
from aecore.progress import track_progress

OWN_SHARE = 0.9  # of the draws between the ends that are stretched
OWN_CELLS = 150  # held-out cells from which on a column has a quantile of its own
SHORT_ROWS = 1000  # at most, of a table that can spare no cells
CALIBRATION_ROWS = 1000  # at most, of a longer one
LEAST_BESIDES = 0.1
HELD_OUT_ROUNDS = 3  # times that the cells are filled, each time with others hidden besides
HIDDEN_BESIDES = 0.25  # of the cells, as in the training
INTERVAL_DRAWS, INTERVAL_CODES = 200, 500
KINDS_WITH_INTERVALS = ("number", "count", "ordered")
SORTED_VALUES = 8_000_000  # at a time: torch sorts no more than 16 million
LEAST_SPREAD = 1e-3  # of a half interval, in deviations of the column


class PredictionInterval(NamedTuple):
    """Two quantiles of many imputations, each like x: (N, *input_shape)."""

    low: Tensor
    high: Tensor


class Spread(NamedTuple):
    """The median of many imputations and the ends of the middle 90 %, each (N, *input_shape)."""

    low: Tensor
    middle: Tensor
    high: Tensor


def is_calibrated(model: Autoencoder) -> bool:
    """Return True where intervals of the model were calibrated on cells held out."""
    stretches = model.stretches
    return stretches is not None and bool((stretches > 0).all())


def predict_interval(
    model: Autoencoder,
    x: Tensor,
    share: float = OWN_SHARE,
    count: int = INTERVAL_DRAWS,
    draws: int = INTERVAL_CODES,
) -> PredictionInterval:
    """Return between what values that share of the missing cells of x (N, *input_shape) lies.

    Of a calibrated model they are calibrated; of others, old ones too, the middle `share` of
    `count` imputations.
    """
    if not is_calibrated(model):
        edge = (1 - share) / 2
        return PredictionInterval(*draw_quantiles(model, x, (edge, 1 - edge), count, draws))
    spread = compute_spread(model, x, count, draws)
    stretch = choose_stretches(model, share).to(x)
    missing = x.isnan()
    low = spread.middle - stretch * (spread.middle - spread.low)
    high = spread.middle + stretch * (spread.high - spread.middle)
    return PredictionInterval(torch.where(missing, low, x), torch.where(missing, high, x))


def choose_stretches(model: Autoencoder, share: float) -> Tensor:
    """Return the factor of the half intervals of each feature (d,), between the kept promises."""
    assert model.stretches is not None
    kept = model.stretches.double().cpu()
    place = sum(promise <= share for promise in PROMISES) - 1
    place = max(0, min(place, len(PROMISES) - 2))
    low, high = PROMISES[place], PROMISES[place + 1]
    weight = min(max((share - low) / (high - low), 0.0), 1.0)
    return spread_columns(
        torch.lerp(kept[:, place], kept[:, place + 1], weight), model.config.column_slices
    )


def compute_spread(model: Autoencoder, x: Tensor, count: int, draws: int, seed: int = 0) -> Spread:
    """Return where the imputations of the missing cells of x (N, d) lie."""
    edge = (1 - OWN_SHARE) / 2
    low, middle, high = draw_quantiles(model, x, (edge, 0.5, 1 - edge), count, draws, seed)
    least = LEAST_SPREAD * model.scale.to(x)
    return Spread(torch.minimum(low, middle - least), middle, torch.maximum(high, middle + least))


def draw_quantiles(
    model: Autoencoder,
    x: Tensor,
    levels: Sequence[float],
    count: int,
    draws: int,
    seed: int = 0,
) -> Tensor:
    """Return quantiles of the imputations of x (N, *input_shape): (levels, N, *input_shape)."""
    rows = max(1, SORTED_VALUES // (count * model.config.features))
    parts = [
        draw_imputations(model, part, count, draws, seed).quantile(x.new_tensor(levels), dim=0)
        for part in track_progress(x.split(rows))
    ]
    return torch.cat(parts, dim=1)


# -- calibration


def hold_out_cells(config: ModelConfig, x: Tensor, seed: int) -> Tensor:
    """Choose the known cells of x (N, d) that a training leaves to the calibration: bool (N, d).

    Of a long table they are whole rows, so that intervals hold for new rows too; of a short one
    cells of columns that can have intervals.
    """
    held = torch.zeros_like(x, dtype=torch.bool)
    columns = config.column_slices
    if len(columns) < 2 or not len(x):
        return held
    if len(x) > SHORT_ROWS:
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        held[rows[: min(CALIBRATION_ROWS, round(config.calibration * len(x)))]] = True
        return held
    hidden = hide_cells(x.cpu(), config.calibration, seed, columns)
    return hidden.to(x.device) & find_interval_features(config).to(x.device)


def find_interval_features(config: ModelConfig) -> Tensor:
    """Return which features (d,) are numbers, counts or ranks, which can have intervals."""
    kinds = config.likelihood.list_kinds(config.features)
    chosen = torch.tensor([kind in KINDS_WITH_INTERVALS for kind in kinds])
    return spread_columns(chosen, config.column_slices)


def calibrate_intervals(model: Autoencoder, x: Tensor, held: Tensor, seed: int) -> None:
    """Set the stretches of a trained model by the cells `held` (N, d) of x that it has not seen."""
    stretch_intervals(model, score_held_cells(model, x, held, seed))


def stretch_intervals(model: Autoencoder, scores: Tensor) -> None:
    """Set the stretches of a model by scores (M, d) of held-out cells, NaN elsewhere."""
    if model.stretches is not None and not scores.isnan().all():
        model.stretches.copy_(compute_stretches(model, scores))


@torch.no_grad()
def score_held_cells(model: Autoencoder, x: Tensor, held: Tensor, seed: int) -> Tensor:
    """Return how far held-out cells (N, d) of x lie from the middle of their draws, NaN elsewhere.

    They are filled several times over, each time as they would be beside other missing cells:
    (rounds * rows, d).
    """
    rows = held.any(1)
    x, held = x[rows].cpu(), held[rows].cpu()
    if not len(x):
        return x
    is_training = model.training
    model.eval()
    rounds = [fill_held_cells(model, x, held, seed + i) for i in range(HELD_OUT_ROUNDS)]
    model.train(is_training)
    return torch.cat(rounds)


def fill_held_cells(model: Autoencoder, x: Tensor, held: Tensor, seed: int) -> Tensor:
    """Return the scores of one filling of the held-out cells, (N, d).

    Further cells are hidden beside them where less is missing than in the training; of rows that
    were held out whole, those are the cells.
    """
    columns = model.config.column_slices
    if held.all():
        held = hide_cells(x, choose_share_beside(x, columns, LEAST_BESIDES), seed, columns)
        masked = x.masked_fill(held, torch.nan)
        held = held & find_interval_features(model.config)
    else:
        masked = x.masked_fill(held, torch.nan)
        share = choose_share_beside(masked, columns)
        if share > 0:
            masked = masked.masked_fill(hide_cells(masked, share, seed, columns), torch.nan)
    spread = compute_spread(model, masked, INTERVAL_DRAWS, INTERVAL_CODES, seed)
    above = (x - spread.middle) / (spread.high - spread.middle)
    below = (spread.middle - x) / (spread.middle - spread.low)
    return torch.maximum(above, below).masked_fill(~held, torch.nan)


def choose_share_beside(x: Tensor, columns: Sequence[slice], least: float = 0.0) -> float:
    """Return the share of the known cells to hide so that as many are missing as in training."""
    missing = x[:, [part.start for part in columns]].isnan().float().mean().item()
    return max(least, (HIDDEN_BESIDES - missing) / (1 - missing))


def compute_stretches(model: Autoencoder, scores: Tensor) -> Tensor:
    """Return quantiles (columns, promises) of scores (M, d), pooled for short columns."""
    firsts = [part.start for part in model.config.column_slices]
    scores = scores[:, firsts].double()
    pooled = compute_conformal_quantiles(scores[~scores.isnan()], HELD_OUT_ROUNDS)
    found = []
    for column in scores.unbind(1):
        own = column[~column.isnan()]
        is_long = len(own) >= OWN_CELLS * HELD_OUT_ROUNDS
        found.append(compute_conformal_quantiles(own, HELD_OUT_ROUNDS) if is_long else pooled)
    return torch.stack(found).clamp(min=LEAST_SPREAD).float()


def compute_conformal_quantiles(scores: Tensor, rounds: int) -> Tensor:
    """Return for each promise the score below which a further cell lies with that chance.

    The chance is exact for scores of one round: quantiles of n scores are taken at p (n + 1) / n.
    """
    count = max(1, len(scores) // rounds)
    levels = [min(1.0, promise * (count + 1) / count) for promise in PROMISES]
    return torch.quantile(scores, scores.new_tensor(levels))
