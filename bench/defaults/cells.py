"""One cell of the table of defaults: a variant trained on a data set, beside PCA of its size."""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import fit_pca
from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, RunConfig
from aecore.runs.listing import create_run
from aecore.training.trainer import fit

ACTIVE_DEVIATION = 0.1  # of a unit's mean over the examples, where it says something (Burda, 2015)
COLLAPSED = 0.9  # share of the variance left beyond which a model says little of its input
WORSE = 1.02  # times what PCA leaves, and
ROUNDING = 1e-4  # of the variance more: a model that leaves more than both is worse than PCA


class Figures(NamedTuple):
    """What a trained model leaves of the test examples, and PCA with as many units."""

    left: float  # share of the test variance, in the network's units; NaN where training diverged
    left_by_pca: float
    active: int  # units whose values vary with the input
    seconds: float


def name_cell(data: str, seed: int, config: RunConfig) -> str:
    """Return the key of a cell: another where its config is, but for options left as they are."""
    parts = (config.model, config.training)
    text = "".join(part.model_dump_json(exclude_defaults=True) for part in parts if part)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{data} {config.model.variant} {seed} {digest}"


def measure_cell(config: RunConfig) -> Figures:
    """Train a run in a temporary folder, and compare it with PCA on its test examples."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(config, Path(folder) / "run")
        try:
            for _ in fit(run):
                pass
        except RunError as error:
            print(f"    {error}", flush=True)
            return Figures(math.nan, math.nan, 0, time.process_time() - started)
        model = Autoencoder.load(run.path)
    return compare_with_pca(model, config, time.process_time() - started)


@torch.no_grad()
def compare_with_pca(model: Autoencoder, config: RunConfig, seconds: float) -> Figures:
    """Return the figures of a trained model."""
    assert config.data is not None
    dataset = load_dataset(config.data)
    train, test = (
        model.to_scaled(as_float(split.x)).flatten(1) for split in (dataset.train, dataset.test)
    )
    units = config.model.latent_dim
    pca = fit_pca(train.numpy(), min(units, train.shape[1]))
    by_pca = torch.from_numpy(pca.inverse_transform(pca.transform(test.numpy())))
    codes = encode_in_chunks(model, dataset.test.x)
    rebuilt = torch.cat([model.decode(part) for part in codes.split(512)])
    variance = sum_squares(test - train.mean(0))
    return Figures(
        sum_squares(model.to_scaled(rebuilt).flatten(1) - test) / variance,
        sum_squares(by_pca - test) / variance,
        int((codes.std(0) > ACTIVE_DEVIATION).sum()),
        round(seconds, 1),
    )


def sum_squares(x: Tensor) -> float:
    """Return the sum of the squares of all values."""
    return float(x.double().square().sum())


def judge_cell(figures: Figures, model: ModelConfig) -> str:
    """Return the verdict on a cell: diverged, collapsed, worse than PCA, or fine."""
    if not math.isfinite(figures.left):
        return "diverged"
    if figures.active == 0 or figures.left > max(COLLAPSED, WORSE * figures.left_by_pca):
        return "collapsed"
    if figures.left <= WORSE * figures.left_by_pca + ROUNDING:
        return "fine"
    reason = explain_gap(model)
    return f"fine: {reason}" if reason else "worse than PCA"


def explain_gap(model: ModelConfig) -> str:
    """Return why a variant is to leave more than PCA of its size; empty where nothing explains it.

    PCA pays nothing for its code, and has all of its units for every example.
    """
    if model.latent_dim >= model.features:
        return "PCA with so many units copies"
    if model.bottleneck.is_variational:
        return "the KL term pays for less code"
    if model.bottleneck.kind != "deterministic":
        return "its code holds less than so many numbers"
    if model.penalties:
        return "its penalty pays for something else"
    return "it is trained to undo noise" if model.corruption else ""
