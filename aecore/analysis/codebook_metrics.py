"""The metrics of codebooks: entries of the table METRICS for models with vectors to choose from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aecore.analysis.chunks import measure_index_loss
from aecore.analysis.metric_types import Measurement, Metric
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.vector_quantized import CodebookBottleneck


def has_codebook(model: Autoencoder) -> bool:
    """Returns whether codes are made of the vectors of a codebook."""
    return isinstance(model.bottleneck, CodebookBottleneck)


def count_code_uses(measurement: Measurement) -> Tensor:
    """Counts how often each vector is used by the examples: (stages, codes)."""
    bottleneck = measurement.model.bottleneck
    assert isinstance(bottleneck, CodebookBottleneck)
    return bottleneck.count_uses(measurement.indices).double()


def measure_used_share(measurement: Measurement) -> float:
    """Computes the share of codebook vectors that some example uses."""
    return float((count_code_uses(measurement) > 0).double().mean())


def measure_perplexity(measurement: Measurement) -> float:
    """Computes exp(-sum p ln p) of the shares p of the vectors, mean over the stages."""
    uses = count_code_uses(measurement)
    shares = uses / uses.sum(1, keepdim=True)
    return float(torch.special.entr(shares).sum(1).exp().mean())


def has_learned_prior(model: Autoencoder) -> bool:
    """Returns whether a prior has learned the indices of codes."""
    return model.prior is not None and model.prior.is_trained


def measure_prior_bits(measurement: Measurement) -> float:
    """Computes the mean of -log2 p of the examples' indices."""
    prior, device = measurement.model.prior, measurement.model.shift.device
    assert prior is not None
    nats = measure_index_loss(prior, measurement.indices, device) or 0.0
    return nats / math.log(2)


CODEBOOK_METRICS = (
    Metric(
        name="codes_used",
        label="codes used",
        unit="share of the codebook",
        direction=1,
        explanation="Share of codebook vectors that are the nearest one at some place of some "
        "test example.",
        total=measure_used_share,
        applies=has_codebook,
    ),
    Metric(
        name="perplexity",
        label="codebook perplexity",
        unit="codes",
        direction=1,
        explanation="Number of equally frequent codebook vectors that would be as unpredictable "
        "as those used: exp of the entropy, at most the size of the codebook.",
        total=measure_perplexity,
        applies=has_codebook,
    ),
    Metric(
        name="prior_bits",
        label="bits by the prior",
        unit="bits per example",
        direction=-1,
        explanation="Bits that the indices of a code take under the learned prior, -log2 p, mean "
        "over examples.",
        total=measure_prior_bits,
        applies=has_learned_prior,
    ),
)
