"""Bounds on the likelihood of variational models, from codes drawn for each example."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import count_samples_at_once, iterate_chunks
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.gaussian import kl_to_standard_normal


def is_variational(model: Autoencoder) -> bool:
    """Returns whether the model's code is a distribution, so that its likelihood has a bound.

    It has none without a prior.
    """
    return model.config.bottleneck.is_variational and model.config.has_prior


def has_bound(model: Autoencoder) -> bool:
    """Returns whether there is a bound on the likelihood: its loss is a density, not a distance."""
    return is_variational(model) and model.config.likelihood.is_density


class DrawnLogits(NamedTuple):
    """Codes that were drawn for examples, decoded."""

    logits: Tensor  # (samples, N, ...)
    log_ratio: Tensor  # ln q(z|x) - ln p(z), (samples, N)
    kl: Tensor  # in closed form, (N,)


def draw_logits(model: Autoencoder, x: Tensor, samples: int) -> DrawnLogits:
    """Decodes codes drawn for each x (N, *input_shape), which is in the network's units."""
    mean, log_variance = model.activate(model.encoder(x).out).chunk(2, dim=1)
    z, log_ratio = model.bottleneck.draw(mean, log_variance, samples)
    kl = kl_to_standard_normal(mean, log_variance)
    return DrawnLogits(model.decode_samples(z), log_ratio, kl)


def log_likelihood(
    model: Autoencoder, logits: Tensor, x: Tensor, observed: Tensor | None = None
) -> Tensor:
    """Returns ln p(x|z) (samples, N) of decoded codes, with its constant."""
    features = (
        model.config.features if observed is None else observed.flatten(1).sum(1, dtype=x.dtype)
    )
    return -model.likelihood.loss(logits, x, observed) - model.likelihood.constant(features)


def log_importance_weights(
    model: Autoencoder, x: Tensor, samples: int, ratio: bool = False, observed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns ln p(x|z_k) (samples, N) of codes z_k drawn for each x, and the closed-form KL (N,).

    With `ratio`, ln p(z_k) - ln q(z_k|x) is added. x (N, *input_shape) is in the network's units.
    """
    drawn = draw_logits(model, x, samples)
    log_weight = log_likelihood(model, drawn.logits, x, observed)
    return log_weight - drawn.log_ratio if ratio else log_weight, drawn.kl


@torch.no_grad()
def iwae_bound(model: Autoencoder, x: Tensor, samples: int) -> float:
    """Returns -1/N sum ln 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x), in nats per example.

    Burda et al. (2015), eq. 8, in bounded memory. ConfigError where the code has no distribution.
    """
    if not is_variational(model):
        raise ConfigError(
            f"{model.config.variant} has no likelihood bound: its code is not a distribution."
        )
    at_once = count_samples_at_once(model, samples)
    total = 0.0
    for batch, observed in iterate_chunks(model, x):
        mass = torch.full((len(batch),), -math.inf, device=batch.device, dtype=batch.dtype)
        for start in range(0, samples, at_once):
            count = min(at_once, samples - start)
            log_weight, _ = log_importance_weights(model, batch, count, True, observed)
            mass = torch.logaddexp(mass, log_weight.logsumexp(0))
        total -= (mass - math.log(samples)).sum().item()
    return total / len(x)
