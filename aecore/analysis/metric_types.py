"""The types of metrics: an entry of the table, and the batches and data it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from aecore.analysis.bounds import DrawnLogits, draw_logits, log_likelihood
from aecore.analysis.chunks import index_in_chunks
from aecore.analysis.latent import fit_code_source
from aecore.analysis.picture_classifier import extract_picture_features
from aecore.analysis.sample_quality import (
    MIN_QUALITY_PICTURES,
    SampleQuality,
    draw_real_pictures,
    measure_sample_quality,
)
from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder

COUNT = "count"  # the unit of what is counted
DIRECTION_SENTENCES = {-1: " Lower is better.", 0: "", 1: " Higher is better."}


class Metric(NamedTuple):
    """One metric: how it is shown, and how it is computed.

    It is computed by `batch_sum`, the sum over one batch of what is then averaged over the
    examples, or by `total`, from all examples together, which may return None: not measured.
    """

    name: str  # as the command line and files call it
    label: str
    unit: str
    direction: int  # -1 lower is better, 1 higher is better, 0 neither
    explanation: str
    batch_sum: Callable[[MeasuredBatch], Tensor] | None = None
    total: Callable[[Measurement], float | None] | None = None
    applies: Callable[[Autoencoder], bool] = lambda model: True
    is_random: bool = False  # depends on the seed

    @property
    def help(self) -> str:
        """The explanation, and which way is better."""
        return self.explanation + DIRECTION_SENTENCES[self.direction]


class MeasuredBatch:
    """One batch as a model sees it: the code without noise for errors, a sampled one for bounds."""

    def __init__(self, model: Autoencoder, x: Tensor, observed: Tensor | None):
        self.model, self.likelihood = model, model.likelihood
        self.x, self.observed = x, observed  # (B, *input_shape) in the network's units

    @cached_property
    def logits(self) -> Tensor:
        """The decoded code without noise: (B, *output_shape)."""
        h = self.model.activate(self.model.encoder(self.x).out)
        code = self.model.bottleneck.snap(h[:, : self.model.config.latent_dim])
        return self.model.decoder(code)

    @cached_property
    def reconstruction(self) -> Tensor:
        """The mean of that: (B, *input_shape)."""
        return self.likelihood.mean(self.logits)

    @cached_property
    def drawn(self) -> DrawnLogits:
        """The decoded logits of one sampled code, and its KL."""
        return draw_logits(self.model, self.x, 1)

    @cached_property
    def log_weight_and_kl(self) -> tuple[Tensor, Tensor]:
        """The log likelihood of one sampled code, (1, B), and the KL in closed form, (B,)."""
        return log_likelihood(self.model, self.drawn.logits, self.x, self.observed), self.drawn.kl


@dataclass(frozen=True)
class Measurement:
    """A model on all examples x (N, *input_shape), with the means over batches that are known."""

    model: Autoencoder
    x: Tensor
    samples: int
    means: dict[str, float]
    seed: int = 0
    training_x: Tensor | None = None  # (M, *input_shape), where samples are to be measured

    @cached_property
    def indices(self) -> Tensor:
        """The indices (N, count) of the examples' codes, where these are discrete."""
        return index_in_chunks(self.model, self.x)

    @cached_property
    def sample_quality(self) -> SampleQuality | None:
        """The quality of samples from the prior, or else a mixture; None if not measured."""
        if self.training_x is None or len(self.x) < MIN_QUALITY_PICTURES:
            return None
        training_x = self.training_x
        try:
            density, _ = fit_code_source(self.model, lambda: training_x)
            real = extract_picture_features(draw_real_pictures(self.x))
            return measure_sample_quality(self.model, real, density, self.seed)
        except CheckpointError:  # of weights that are unsound
            return None
