"""Metrics: the same measures for every variant, each one entry of the table METRICS.

To add a metric, write its entry: what it is called, how it reads, and the function that computes
it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aecore.analysis.bounds import has_bound, is_variational, iwae_bound
from aecore.analysis.chunks import encode_in_chunks, iterate_chunks
from aecore.analysis.column_errors import (
    has_numbers,
    has_words,
    measure_number_errors,
    measure_wrong_share,
)
from aecore.analysis.metric_types import COUNT, MeasuredBatch, Measurement, Metric
from aecore.analysis.picture_metrics import PICTURE_METRICS, has_pixels
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.likelihoods.base import sum_cells

# -- the metrics


def has_probabilities(model: Autoencoder) -> bool:
    """Returns whether the decoder gives probabilities, as cross-entropy needs."""
    return model.config.likelihood.kind == "bernoulli"


def sum_squared_errors(batch: MeasuredBatch) -> Tensor:
    """Sums the squared errors of the reconstructions over examples and features."""
    errors = (batch.likelihood.mean(batch.logits) - batch.x).square()
    return sum_cells(errors, batch.x, batch.observed).sum()


def sum_cross_entropies(batch: MeasuredBatch) -> Tensor:
    """Sums the cross-entropies of the reconstructions over examples and features."""
    return batch.likelihood.loss(batch.logits, batch.x, batch.observed).sum()


def sum_wrong_shares(batch: MeasuredBatch) -> Tensor:
    """Sums the shares of wrong words over examples."""
    mean = batch.likelihood.mean(batch.logits)
    return measure_wrong_share(batch.model, mean, batch.x, batch.observed).sum()


def sum_number_errors(batch: MeasuredBatch) -> Tensor:
    """Sums the mean squared errors of numbers over examples."""
    mean = batch.likelihood.mean(batch.logits)
    return measure_number_errors(batch.model, mean, batch.x, batch.observed).sum()


def sum_nll_bounds(batch: MeasuredBatch) -> Tensor:
    """Sums the upper bounds on -ln p(x), each from one sampled code, over examples."""
    log_weight, kl = batch.log_weight_and_kl
    return (kl - log_weight[0]).sum()


def sum_kl(batch: MeasuredBatch) -> Tensor:
    """Sums KL(q(z|x) || p(z)) over examples."""
    return batch.log_weight_and_kl[1].sum()


def measure_iwae_bound(measurement: Measurement) -> float | None:
    """Computes the bound from several samples of each code, where they are asked for."""
    if not measurement.samples:
        return None
    return iwae_bound(measurement.model, measurement.x, measurement.samples)


def measure_psnr(measurement: Measurement) -> float:
    """Computes 10 log10(features / se), for pixels in [0, 1]."""
    share = measurement.model.config.features / max(measurement.means["se"], 1e-12)
    return 10 * math.log10(share) if share else -math.inf  # of an error beyond all floats


def measure_active_units(measurement: Measurement) -> int:
    """Counts the code units that vary with the input."""
    return count_active_units(encode_in_chunks(measurement.model, measurement.x))


def count_parameters(measurement: Measurement) -> int:
    """Counts the model's parameters."""
    return sum(parameter.numel() for parameter in measurement.model.parameters())


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            name="se",
            label="squared error",
            unit="squared data units per example",
            direction=-1,
            explanation="Squared error, summed over features, mean over examples.",
            batch_sum=sum_squared_errors,
        ),
        Metric(
            name="cross_entropy",
            label="cross-entropy",
            unit="nats per example",
            direction=-1,
            explanation="Cross-entropy in nats per example, without the KL term.",
            batch_sum=sum_cross_entropies,
            applies=has_probabilities,
        ),
        Metric(
            name="wrong_words",
            label="wrong words",
            unit="share of words",
            direction=-1,
            explanation="Share of words, flags and ordered categories that are rebuilt wrongly.",
            batch_sum=sum_wrong_shares,
            applies=has_words,
        ),
        Metric(
            name="number_se",
            label="error of numbers",
            unit="squared deviations per number",
            direction=-1,
            explanation="Squared error of numbers and counts in deviations, mean over columns.",
            batch_sum=sum_number_errors,
            applies=has_numbers,
        ),
        Metric(
            name="nll_bound",
            label="NLL bound",
            unit="nats per example",
            direction=-1,
            explanation=(
                "Upper bound on -ln p(x) in nats per example: reconstruction + KL, one sample."
            ),
            batch_sum=sum_nll_bounds,
            applies=has_bound,
            is_random=True,
        ),
        Metric(
            name="iwae_bound",
            label="IWAE bound",
            unit="nats per example",
            direction=-1,
            explanation="Tighter bound on -ln p(x) from K importance samples, nats per example.",
            total=measure_iwae_bound,
            applies=has_bound,
            is_random=True,
        ),
        Metric(
            name="kl",
            label="KL",
            unit="nats per example",
            direction=0,
            explanation="KL(q(z|x) || p(z)) in nats per example: what the code carries.",
            batch_sum=sum_kl,
            applies=is_variational,
        ),
        Metric(
            name="psnr",
            label="PSNR",
            unit="dB",
            direction=1,
            explanation="Peak signal-to-noise ratio in dB, for pixels in [0, 1].",
            total=measure_psnr,
            applies=has_pixels,
        ),
        *PICTURE_METRICS,
        Metric(
            name="active_units",
            label="active units",
            unit=COUNT,
            direction=0,
            explanation="Code units whose value changes with the input (variance over 0.01).",
            total=measure_active_units,
        ),
        Metric(
            name="parameters",
            label="weights",
            unit=COUNT,
            direction=0,
            explanation="Weights of the model.",
            total=count_parameters,
        ),
    )
}


# -- measuring


@torch.no_grad()
def evaluate_model(
    model: Autoencoder, x: Tensor, samples: int = 0, seed: int = 0
) -> dict[str, float]:
    """Returns the metrics {name: value} of a model on x (N, *input_shape), those that apply to it.

    Errors are in the units that the network works in: pixels in [0, 1], scaled columns; missing
    cells, where the model allows for them, count for nothing. With `samples` K > 0, `iwae_bound` is
    computed too, for variational models.
    """
    metrics = [metric for metric in METRICS.values() if metric.applies(model)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        means = average_batch_metrics(model, x, metrics)
        measurement = Measurement(model, x, samples, means)
        totals = {metric.name: metric.total(measurement) for metric in metrics if metric.total}
    return means | {name: value for name, value in totals.items() if value is not None}


def average_batch_metrics(
    model: Autoencoder, x: Tensor, metrics: Sequence[Metric]
) -> dict[str, float]:
    """Returns the means over the examples x of those metrics that are summed over batches.

    Random metrics come last in each batch: the numbers that they draw do not depend on the others.
    """
    in_order = sorted(metrics, key=lambda metric: metric.is_random)
    sums: dict[str, float] = {}
    for inputs, observed in iterate_chunks(model, x):
        batch = MeasuredBatch(model, inputs, observed)
        for metric in in_order:
            if metric.batch_sum:
                value = metric.batch_sum(batch).item()
                sums[metric.name] = sums.get(metric.name, 0.0) + value
    return {name: value / len(x) for name, value in sums.items()}


def count_active_units(codes: Tensor) -> int:
    """Counts the columns of codes (N, latent_dim) that vary by more than 0.01.

    Burda et al. (2015), section 5.2.
    """
    return int((codes.var(0, correction=0) > 0.01).sum())
