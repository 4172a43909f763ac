"""Anomalies: examples that small denoising networks, which have not seen them, would move far.

Trained with Gaussian noise of variance sigma^2, the best reconstruction is
r(x) = x + sigma^2 grad ln p_sigma(x) (Vincent, 2011, A Connection Between Score Matching and
Denoising Autoencoders; Alain & Bengio, 2014). The score, with x and r(x) in the network's units,
that is scaled columns,

    s(x) = |x - r(x)|^2 = sigma^4 |grad ln p_sigma(x)|^2

is therefore the squared step back to where the training data are dense. No noise is added when
scoring. Of an ensemble (aecore/model/parts/networks/ensemble.py) it is the geometric mean over the
members m that have not seen x,

    s(x) = exp mean_m ln s_m(x),   of which column j has the share   s(x) mean_m s_mj(x) / s_m(x)

so that rows can be scored that the model was trained on, and anomalies among them are found: an
anomaly is in few of the small samples. Where all members saw a row, as it may be with one that
stands in a table many times, all score it; and so they do where the training rows are known to be
normal, since a copy of one then is. bench/fidelity/e09_anomaly.py and e13_contaminated.py
have the figures. Detectors of photographs score by the error as a share of the picture's detail
(aecore/analysis/anomaly_scores.py; `python -m bench.pictures detection`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from aecore.analysis.anomaly_scores import map_errors, score_residuals
from aecore.analysis.chunks import CHUNK_BYTES, CHUNK_ROWS, reconstruct_in_chunks
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import AnomalyScore, RunConfig
from aecore.model.parts.networks.ensemble import Ensemble, EnsembleDecoder, EnsembleEncoder
from aecore.progress import track_progress
from aecore.runs.plan import make_data_config
from aecore.tasks.recipes import PictureRecipe, Settings, TaskRecipe

DETECTOR_VARIANT = "denoising-gaussian"
DETECTOR_UNITS = 16  # of the code of each member
DETECTOR_RECIPE = TaskRecipe(
    DETECTOR_VARIANT,
    {
        "network.kind": "ensemble",
        "network.members": 48,
        "network.hidden": (32,),
        "network.rows": (16,),  # in so few rows there is hardly an anomaly
        "network.columns": (1.0, 0.25, 0.25),  # one in three sees all, the others a quarter
        "corruption.sigma": 0.1,
        "training.lr": 5e-3,
        "training.batch_size": 128,
        "training.passes": 75,
        "training.epochs": 4,
        "data.validation_fraction": 0,  # rows held out would be of no use: none is chosen by them
    },
)
MIXED_SETTINGS: Settings = {
    "network.members": 24,
    "network.rows": (64,),  # which words go with what is not to be learned from fewer
    "network.columns": (1.0,),
    "training.passes": 100,
}
CLEAN_SETTINGS: Settings = {
    "network.members": 24,
    "network.rows": (128,),  # more rows describe better what is normal
    "network.columns": (1.0,),
    "corruption.sigma": 0.25,
    "training.passes": 100,
}
PICTURE_STEPS = 1500  # of training, for few pictures as for many
PICTURE_RECIPE = TaskRecipe(
    DETECTOR_VARIANT,
    {
        "network.hidden": (256,),
        "network.activation": "relu",
        "network.norm": "none",
        "latent_dim": 128,
        "corruption.sigma": 0.25,
        "training.lr": 1e-3,
        "data.validation_fraction": 0,  # normal examples are few, and the last epoch is the best
    },
    pictures=PictureRecipe(
        {
            "corruption.kind": "gaussian",
            "corruption.sigma": 0.05,
            "training.augment": (),  # a picture the wrong way round may be what is odd
            "anomaly_score": "relative",
        }
    ),
)
WORD_KINDS = ("category", "ordered", "boolean")
LEAST_SCORE = 1e-30  # of a row that a member rebuilds exactly: it has a logarithm


def plan_detector(
    name: str, settings: Settings | None = None, *, is_clean: bool | None = None
) -> RunConfig:
    """Return the run that makes a detector of the data set or path `name`.

    Rows are taken to hold the anomalies that are looked for, unless they are known to be normal:
    `is_clean`, by itself where `data.train_class` chooses them. One recipe for each of these, and
    for tables with words or flags: an ensemble, with as many steps for a short table as for a long
    one. Pictures, and another kind of network, need normal examples: one wide net. `settings`
    replace the recipe.
    """
    chosen = dict(settings or {})
    dataset = load_dataset(make_data_config(name, chosen))
    if chosen.get("network.kind", "ensemble") != "ensemble" or dataset.kind == "image":
        batch = max(1, min(64, dataset.count // 8))  # small batches of few examples keep epochs few
        epochs = math.ceil(PICTURE_STEPS / math.ceil(dataset.count / batch))
        computed = {"training.batch_size": batch, "training.epochs": epochs}
        return PICTURE_RECIPE.plan(name, chosen, computed=computed)
    if is_clean is None:
        is_clean = chosen.get("data.train_class") is not None
    has_words = any(o.kind in WORD_KINDS for o in dataset.schema.values())
    computed = {**(MIXED_SETTINGS if has_words else {}), **(CLEAN_SETTINGS if is_clean else {})}
    merged = {**DETECTOR_RECIPE.settings, **computed, **chosen}
    computed["latent_dim"] = DETECTOR_UNITS * int(merged["network.members"])
    return DETECTOR_RECIPE.plan(name, chosen, computed=computed)


# -- scores


def score_anomalies(
    model: Autoencoder,
    x: Tensor,
    trained_on_normal: bool = False,
    kind: AnomalyScore | None = None,
) -> Tensor:
    """Return the score of each example in the network's units: x (N, *input_shape) -> (N,).

    It is on the CPU; higher is more anomalous. With `trained_on_normal` a copy of a training row
    counts as normal. Pictures can be scored by another kind than the model's own. DataError for
    examples that cannot be scored.
    """
    residuals = compute_scaled_residuals(model, x, trained_on_normal)
    return score_model_residuals(model, x, residuals, kind)


def score_model_residuals(
    model: Autoencoder, x: Tensor, residuals: Tensor, kind: AnomalyScore | None = None
) -> Tensor:
    """Return the scores (N,) of what `compute_scaled_residuals` returned for x (N, *input_shape).

    ConfigError for a kind that is not of such examples.
    """
    kind = kind or model.config.anomaly_score
    if kind == "error":
        return score_residuals(residuals, residuals, kind)
    if x.dim() != 4:
        raise ConfigError(f"Rows of a table are scored by their error, got kind {kind!r}.")
    return score_residuals(residuals, scale_examples(model, x), kind)


def map_anomalies(model: Autoencoder, x: Tensor, kind: AnomalyScore | None = None) -> Tensor:
    """Return where pictures x (N, C, H, W) differ from what the model expects: maps (N, H, W).

    They are smoothed squared errors: of kind error they sum to the score, of relative the mean is
    the score, of region the maximum.
    """
    residuals = compute_scaled_residuals(model, x)
    return map_errors(residuals, scale_examples(model, x), kind or model.config.anomaly_score)


def scale_examples(model: Autoencoder, x: Tensor) -> Tensor:
    """Return x (N, *input_shape) in the network's units, on the CPU."""
    return model.to_scaled(as_float(x).to(model.shift.device)).cpu()


def score_column_anomalies(
    model: Autoencoder, x: Tensor, trained_on_normal: bool = False
) -> Tensor:
    """Return the share of each column in the scores of rows x (N, features): (N, columns).

    The columns of a row sum to its score. A column of words has several features, whose shares are
    summed.
    """
    return sum_column_shares(model, compute_scaled_residuals(model, x, trained_on_normal))


def sum_column_shares(model: Autoencoder, residuals: Tensor) -> Tensor:
    """Return the sum of squared residuals (N, features) in each column: (N, columns)."""
    squares = residuals.square()
    parts = model.config.column_slices
    return torch.stack([squares[:, part].sum(1) for part in parts], dim=1)


def compute_scaled_residuals(
    model: Autoencoder, x: Tensor, trained_on_normal: bool = False
) -> Tensor:
    """Return x - r(x) in the network's units, (N, *input_shape): their squares sum to the score.

    It tells which columns make an example anomalous, and in which direction. Of an ensemble it is
    the root of each column's share with the sign of the members' mean. Cells may be missing (NaN)
    where the model allows it: they say nothing.
    """
    x = as_float(check_scorable(model, x)).to("cpu", model.scale.dtype)
    model.eval()  # a layer that normalises must use what it learned, not this batch
    if isinstance(model.config.network, Ensemble):
        residuals = torch.cat(list(_iterate_ensemble_residuals(model, x, trained_on_normal)))
        return add_unknown_words(model, x, residuals)
    residuals = (x - reconstruct_in_chunks(model, x)) / model.scale.cpu()
    if model.config.missing:
        residuals = residuals.masked_fill(x.isnan(), 0)
    return add_unknown_words(model, x, residuals)


def add_unknown_words(model: Autoencoder, x: Tensor, residuals: Tensor) -> Tensor:
    """Return residuals (N, features) to which 1 is added, in squares, for each unknown word.

    It is the squared error of a word that the model expects with no probability, and that has no
    feature of its own: x (N, features) has zeros in all of its column.
    """
    if x.dim() > 2:
        return residuals
    for part in model.config.word_slices:
        count = part.stop - part.start
        if count > 1:  # a flag is one feature
            steps, is_unknown = residuals[:, part], (x[:, part] == 0).all(1, keepdim=True)
            grown = (steps.square() + 1 / count).sqrt().copysign(steps)
            residuals[:, part] = torch.where(is_unknown, grown, steps)
    return residuals


@torch.no_grad()
def _iterate_ensemble_residuals(
    model: Autoencoder, x: Tensor, trained_on_normal: bool
) -> Iterator[Tensor]:
    assert isinstance(model.decoder, EnsembleDecoder) and isinstance(model.encoder, EnsembleEncoder)
    rows = CHUNK_BYTES // (model.config.features * len(model.encoder.seen))
    for part in track_progress(x.split(max(1, min(CHUNK_ROWS, rows)))):
        part = part.to(model.shift.device)
        members = model.likelihood.mean(model.decoder.decode_members(model.encode(part)))
        steps = (part - model.shift) / model.scale - members  # (members, n, features)
        steps = steps.masked_fill(part.isnan(), 0) * model.encoder.sees[:, None]
        seen = model.encoder.find_seen(part)
        chosen = ~seen | seen.all(0) | trained_on_normal
        yield combine_members(steps, chosen).cpu()


def combine_members(steps: Tensor, chosen: Tensor) -> Tensor:
    """Return one residual for each feature of each row, (N, features), as the module's text says.

    steps (members, N, features) are those of the members, of which `chosen` (members, N) count.
    """
    weights = chosen.to(steps.dtype) / chosen.sum(0)
    squares = steps.square()
    scores = squares.sum(2).clamp(min=LEAST_SCORE)
    score = (weights * scores.log()).sum(0).exp()
    shares = torch.einsum("mn,mnj->nj", weights / scores, squares) * score[:, None]
    return shares.sqrt().copysign(torch.einsum("mn,mnj->nj", weights, steps))


@torch.no_grad()
def count_known_to_all(model: Autoencoder, x: Tensor) -> int:
    """Return how many rows x (N, features) every member of an ensemble was trained on.

    Their scores are low; 0 of another model.
    """
    if not isinstance(model.encoder, EnsembleEncoder):
        return 0
    seen = model.encoder.find_seen(as_float(x).to(model.shift.device))
    return int(seen.all(0).sum())


def check_scorable(model: Autoencoder, x: Tensor) -> Tensor:
    """Return x. DataError where it has another shape, no examples, NaN or infinite values.

    NaN are missing cells where the model allows them.
    """
    shape = model.config.input_shape
    if tuple(x.shape[1:]) != shape:
        raise DataError(f"This detector takes examples of shape {shape}, got {tuple(x.shape[1:])}.")
    if not len(x):
        raise DataError("There are no examples to score. Give at least one.")
    is_sound = (x.isfinite() | x.isnan()) if model.config.missing else x.isfinite()
    if x.is_floating_point() and not is_sound.all():
        row = int((~is_sound).flatten(1).any(1).nonzero()[0])
        raise DataError(
            f"Example {row} (counted from 0) holds NaN or infinite values. Remove or fill them."
        )
    return x
