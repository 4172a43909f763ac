"""Metrics: what the command line, Compare, cards and benchmarks measure, the same for every variant."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.gaussian import kl_to_standard_normal
from aecore.model.parts.likelihood import sum_cells

CHUNK_ROWS = 1000  # examples at a time, at most
CHUNK_BYTES = 20_000_000  # decoded values at a time


METRIC_LABELS = {
    "se": "squared error",
    "cross_entropy": "cross-entropy",
    "nll_bound": "NLL bound",
    "iwae_bound": "IWAE bound",
    "kl": "KL",
    "psnr": "PSNR",
    "active_units": "active units",
    "parameters": "weights",
}


METRIC_DESCRIPTIONS = {
    "se": "Squared error, summed over features, mean over examples. Lower is better.",
    "cross_entropy": "Cross-entropy in nats per example, without the KL term. Lower is better.",
    "nll_bound": "Upper bound on -ln p(x) in nats per example: reconstruction + KL, one sample. Lower is better.",
    "iwae_bound": "Tighter bound on -ln p(x) from K importance samples, nats per example. Lower is better.",
    "kl": "KL(q(z|x) || p(z)) in nats per example: what the code carries.",
    "psnr": "Peak signal-to-noise ratio in dB, for pixels in [0, 1]. Higher is better.",
    "active_units": "Code units whose value changes with the input (variance over 0.01).",
    "parameters": "Weights of the model.",
}


@torch.no_grad()
def evaluate_model(
    model: Autoencoder, x: Tensor, samples: int = 0, seed: int = 0
) -> dict[str, float]:
    """Metrics of a model on x (N, *input_shape).

    Errors are in the units that the network works in: pixels in [0, 1], scaled columns; missing cells,
    where the model allows for them, count for nothing. With `samples` K > 0, `iwae_bound` is computed
    too, for variational models.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sums: dict[str, float] = {}
        for batch, observed in iterate_chunks(model, x):
            for name, value in sum_batch_metrics(model, batch, observed).items():
                sums[name] = sums.get(name, 0.0) + value
        result = {name: value / len(x) for name, value in sums.items()}
        if samples and is_variational(model):
            result["iwae_bound"] = iwae_bound(model, x, samples)
    if len(model.config.input_shape) == 3 and model.config.scaling == "none":
        result["psnr"] = 10 * math.log10(model.config.features / max(result["se"], 1e-12))
    result["active_units"] = count_active_units(encode_in_chunks(model, x))
    result["parameters"] = sum(p.numel() for p in model.parameters())
    return result


def sum_batch_metrics(model: Autoencoder, x: Tensor, observed: Tensor | None) -> dict[str, float]:
    """Sums over one batch in the network's units: the code without noise for errors, a sampled one for bounds."""
    likelihood = model.likelihood
    h = model.activate(model.encoder(x).out)
    logits = model.decoder(model.bottleneck.snap(h[:, : model.config.latent_dim]))
    sums = {"se": sum_cells((likelihood.mean(logits) - x).square(), x, observed).sum().item()}
    if model.config.likelihood.needs_unit_interval:
        sums["cross_entropy"] = likelihood.loss(logits, x, observed).sum().item()
    if is_variational(model):
        log_weight, kl = log_importance_weights(model, x, 1, observed=observed)
        sums["kl"] = kl.sum().item()
        sums["nll_bound"] = (kl - log_weight[0]).sum().item()
    return sums


def log_importance_weights(
    model: Autoencoder, x: Tensor, samples: int, ratio: bool = False, observed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """ln p(x|z_k), with ln p(z_k) - ln q(z_k|x) added if `ratio`, (samples, N); and the KL in closed form, (N,)."""
    likelihood = model.likelihood
    features = (
        model.config.features if observed is None else observed.flatten(1).sum(1, dtype=x.dtype)
    )
    mean, log_variance = model.activate(model.encoder(x).out).chunk(2, dim=1)
    z, log_ratio = model.bottleneck.draw(mean, log_variance, samples)
    log_likelihood = -likelihood.loss(model.decode_samples(z), x, observed) - likelihood.constant(
        features
    )
    return log_likelihood - log_ratio if ratio else log_likelihood, kl_to_standard_normal(
        mean, log_variance
    )


@torch.no_grad()
def iwae_bound(model: Autoencoder, x: Tensor, samples: int) -> float:
    """-1/N sum ln 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x), nats per example, in bounded memory.

    Burda et al. (2015), eq. 8. ConfigError where the code has no distribution.
    """
    if not is_variational(model):
        raise ConfigError(
            f"{model.config.variant} has no likelihood bound: its code is not a distribution."
        )
    few = max(1, min(samples, CHUNK_BYTES // (CHUNK_ROWS * model.config.features)))
    total = 0.0
    for batch, observed in iterate_chunks(model, x):
        mass = torch.full((len(batch),), -math.inf, device=batch.device, dtype=batch.dtype)
        for start in range(0, samples, few):
            weight, _ = log_importance_weights(
                model, batch, min(few, samples - start), True, observed
            )
            mass = torch.logaddexp(mass, weight.logsumexp(0))
        total -= (mass - math.log(samples)).sum().item()
    return total / len(x)


@torch.no_grad()
def encode_in_chunks(model: Autoencoder, x: Tensor) -> Tensor:
    """Codes (N, latent_dim) of x (N, *input_shape), on the CPU, in chunks."""
    device = model.shift.device
    return torch.cat(
        [
            model.encode(as_float(part).to(device)).cpu()
            for part in x.split(count_rows_at_once(model))
        ]
    )


@torch.no_grad()
def reconstruct_in_chunks(model: Autoencoder, x: Tensor) -> Tensor:
    """Reconstructions (N, *input_shape) of x, on the CPU, in chunks."""
    device = model.shift.device
    return torch.cat(
        [
            model.reconstruct(as_float(part).to(device)).cpu()
            for part in x.split(count_rows_at_once(model))
        ]
    )


@torch.no_grad()
def decode_in_chunks(model: Autoencoder, z: Tensor) -> Tensor:
    """Decoded codes z (N, latent_dim), on the CPU, in chunks."""
    device = model.shift.device
    return torch.cat(
        [model.decode(part.to(device)).cpu() for part in z.split(count_rows_at_once(model))]
    )


def count_active_units(codes: Tensor) -> int:
    """How many columns of codes (N, latent_dim) vary by more than 0.01 (Burda et al., 2015, section 5.2)."""
    return int((codes.var(0, correction=0) > 0.01).sum())


def count_rows_at_once(model: Autoencoder) -> int:
    """How many examples of this model fit into memory together, with all the codes drawn for each."""
    samples = model.config.bottleneck.sample_count
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (model.config.features * samples)))


def is_variational(model: Autoencoder) -> bool:
    return model.config.bottleneck.is_variational


def iterate_chunks(model: Autoencoder, x: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
    """x in parts, as float, on the model's device and in the network's units, and where it has values."""
    for part in x.split(count_rows_at_once(model)):
        part = as_float(part).to(model.shift.device)
        yield model.to_scaled(part), model.observed(part)
