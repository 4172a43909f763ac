"""Imputation: missing cells filled in from the observed ones of the same example.

A variational model gives them a distribution, p(x_mis | x_obs). With codes z_l of q(z|x_obs) and weights

    w_l  ~  p(x_obs|z_l) p(z_l) / q(z_l|x_obs),     sum_l w_l = 1      (Mattei & Frellsen, 2019, MIWAE)

its mean is estimated by sum_l w_l E[x_mis|z_l], and draws of it by draws of p(x_mis|z_l) for z_l picked with
probability w_l. Any other model, a denoising one best of all, rebuilds the example from the observed cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from aecore import metrics
from aecore import plan as planning
from aecore.autoencoder import Autoencoder
from aecore.config import RunConfig
from aecore.errors import ConfigError

Fill = Callable[[Tensor, Tensor], Tensor]  # (x, observed), in the network's units -> (..., *x.shape)

VARIANT = "iwae"


def plan(name: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """The run that makes an imputer of the table `name`, with holes: the recipe of bench/fidelity/e10_imputation.py.

    Student's t for the columns, which a few odd cells do not pull. `settings` replace these, as in aecore.plan.
    """
    chosen = {
        "data.missing": "keep",
        "data.validation_fraction": 0,
        "network.hidden": (128, 128),
        "network.activation": "relu",
        "likelihood.kind": "student_t",
        "bottleneck.samples": 20,
        "training.epochs": 600,
        "training.batch_size": 64,
        "training.lr": 1e-3,
        "training.schedule": "constant",
    }
    return planning.plan(VARIANT, name, settings={**chosen, **(settings or {})})


@torch.no_grad()
def impute(model: Autoencoder, x: Tensor, draws: int = 1000, rounds: int = 1, seed: int = 0) -> Tensor:
    """x (N, *input_shape), NaN where nothing was observed -> x with those cells filled in, the others as they are.

    Variational models take their mean from so many `draws`. Others rebuild the example `rounds` times, each time
    from the last filling; the first begins at zero, where a model that was trained with missing cells saw them.
    """
    if metrics.is_variational(model):
        return completed(model, x, draws, seed, lambda x, observed: expected(model, x, observed, draws))
    return completed(model, x, 1, seed, lambda x, observed: rebuilt(model, x, observed, rounds))


@torch.no_grad()
def impute_many(model: Autoencoder, x: Tensor, count: int = 5, draws: int = 1000, seed: int = 0) -> Tensor:
    """x (N, *input_shape), NaN where nothing was observed -> (count, N, *input_shape): each as likely as any other.

    Between them they say how sure an imputation is (Rubin, 1987, Multiple Imputation). ConfigError for models
    that are not variational.
    """
    if not metrics.is_variational(model):
        raise ConfigError(f"{model.config.variant} gives no distribution to draw from. Use a variational model.")
    return completed(model, x, draws, seed, lambda x, observed: resampled(model, x, observed, count, draws))


def completed(model: Autoencoder, x: Tensor, draws: int, seed: int, fill: Fill) -> Tensor:
    """`fill` in as many rows at a time as memory holds, back in the data's units; observed cells are left alone."""
    device = model.shift.device
    rows = max(1, min(metrics.CHUNK, metrics.MEMORY // (model.config.features * draws)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = [filled(model, part.to(device), fill).cpu() for part in model.checked(x).split(rows)]
    return torch.cat(parts, dim=parts[0].dim() - x.dim())


def filled(model: Autoencoder, x: Tensor, fill: Fill) -> Tensor:
    observed = ~x.isnan()
    scaled = torch.where(observed, model.to_scaled(x), 0)  # also for a model that never met a missing cell
    return torch.where(observed, x, model.from_scaled(fill(scaled, observed)))


# -- three ways to fill, in the network's units


def expected(model: Autoencoder, x: Tensor, observed: Tensor, draws: int) -> Tensor:
    """The mean of p(x_mis | x_obs)."""
    logits, weights = weighted(model, x, observed, draws)
    return torch.einsum("kn,kn...->n...", weights, model.likelihood.mean(logits))


def resampled(model: Autoencoder, x: Tensor, observed: Tensor, count: int, draws: int) -> Tensor:
    """(count, N, *input_shape): draws of p(x_mis | x_obs), by sampling importance resampling."""
    logits, weights = weighted(model, x, observed, draws)
    picked = torch.multinomial(weights.T, count, replacement=True)  # (N, count)
    return model.likelihood.sample(logits[picked.T, torch.arange(len(x), device=x.device)])


def rebuilt(model: Autoencoder, x: Tensor, observed: Tensor, rounds: int) -> Tensor:
    """The reconstruction of x, with the cells that were not observed filled from the one before."""
    guess = x
    for _ in range(rounds):
        code = model.bottleneck.snap(model.encode_scaled(guess))
        guess = torch.where(observed, x, model.likelihood.mean(model.decoder(code)))
    return guess


def weighted(model: Autoencoder, x: Tensor, observed: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Logits (draws, N, ...) of codes of q(z|x), and their importance weights (draws, N)."""
    mean, log_variance = model.activate(model.encoder(x).out).chunk(2, dim=1)
    z, log_ratio = model.bottleneck.draw(mean, log_variance, draws)
    logits = model.decode_samples(z)
    return logits, (-model.likelihood.loss(logits, x, observed) - log_ratio).softmax(0)
