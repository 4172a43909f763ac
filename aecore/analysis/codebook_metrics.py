"""The metrics of codebooks: entries of the table METRICS for models with vectors to choose from."""

from __future__ import annotations

import torch
from torch import Tensor

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
)
