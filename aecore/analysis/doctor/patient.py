"""Measurements of one model on bounded samples of its data, each taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.chunks import iterate_chunks
from aecore.analysis.latent import fit_pca
from aecore.data.splits import Dataset
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, RunConfig
from aecore.model.parts.bottlenecks.gaussian import kl_of_units
from aecore.model.parts.likelihoods.base import sum_cells
from aecore.runs.records import EpochRecord, KnobRecord

TRAIN_ROWS, TEST_ROWS = 5000, 2000
MAX_VALUES = 12_000_000  # of a sample: fewer rows of large pictures
MIN_ROWS = 20  # of which shares and means say something


class Specimen(NamedTuple):
    """Examples to examine a model on: bounded samples, in the data's units."""

    train: Tensor  # (N, *input_shape)
    test: Tensor  # (M, *input_shape), of the class alone that the model was trained on, if any
    odd: Tensor  # (K, *input_shape) test examples of other classes; else none


def draw_specimen(dataset: Dataset, config: DataConfig | None = None) -> Specimen:
    """Draws the examples to examine a model on, the same for the same data set.

    `config` says which class the model was trained on.
    """
    train, test = dataset.train.x, dataset.test
    name = config.train_class if config else None
    if name is None or test.y is None or name not in dataset.classes:
        return Specimen(draw_rows(train, TRAIN_ROWS), draw_rows(test.x, TEST_ROWS), test.x[:0])
    is_normal = test.y == dataset.classes.index(name)
    normal, odd = (draw_rows(test.x[rows], TEST_ROWS) for rows in (is_normal, ~is_normal))
    return Specimen(draw_rows(train, TRAIN_ROWS), normal, odd)


def draw_rows(x: Tensor, count: int) -> Tensor:
    """Draws at most `count` examples from all over x, which may be sorted by class."""
    count = min(count, max(MIN_ROWS, MAX_VALUES // max(1, x[:1].numel())))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[:count]]


class Observation(NamedTuple):
    """Codes and reconstructions of examples without noise, on the CPU, in the network's units."""

    x: Tensor  # (N, features), missing cells zero
    rebuilt: Tensor  # (N, features)
    errors: Tensor  # (N,) squared, summed over the cells that are known
    spread: Tensor  # (N,) squared distances from the mean of the training examples
    codes: Tensor  # (N, latent_dim)
    log_variances: Tensor | None  # (N, latent_dim) of variational codes
    known: Tensor  # (N, features): False for missing cells


@torch.no_grad()
def observe_model(model: Autoencoder, x: Tensor, centre: Tensor | None = None) -> Observation:
    """Passes x (N, *input_shape) through the model; `centre` (features,), else the mean of x."""
    parts: list[list[Tensor]] = []
    for inputs, known in iterate_chunks(model, x):
        h = model.activate(model.encoder(inputs).out)
        d = model.config.latent_dim
        codes = model.bottleneck.snap(h[:, :d])
        rebuilt = model.likelihood.mean(model.decoder(codes))
        errors = sum_cells((rebuilt - inputs).square(), inputs, known)
        known = torch.ones_like(inputs, dtype=torch.bool) if known is None else known
        part = [inputs.flatten(1), rebuilt.flatten(1), errors, codes, h[:, d:], known.flatten(1)]
        parts.append([tensor.cpu() for tensor in part])
    rows, rebuilt, errors, codes, rest, known = (
        torch.cat(part) for part in zip(*parts, strict=True)
    )
    distances = (rows - (rows.mean(0) if centre is None else centre)).square()
    spread = (distances * known).sum(1)
    log_variances = rest if model.config.bottleneck.is_variational else None
    return Observation(rows, rebuilt, errors, spread, codes, log_variances, known)


@dataclass(frozen=True)
class Patient:
    """A trained model, with what is measured of it as it is asked for."""

    model: Autoencoder
    specimen: Specimen
    config: RunConfig
    history: Sequence[EpochRecord] = ()
    moves: Sequence[KnobRecord] = ()  # of knobs, while it trained
    failure: str = ""  # why the training ended early

    @property
    def latent_dim(self) -> int:
        """The size of the code."""
        return self.model.config.latent_dim

    @property
    def features(self) -> int:
        """The values in one example."""
        return self.model.config.features

    @property
    def code_width(self) -> int:
        """Count of the numbers that describe an example: k where only k units are on."""
        return int(getattr(self.model.config.bottleneck, "k", self.latent_dim))

    @cached_property
    def train(self) -> Observation:
        """The model on training examples."""
        return observe_model(self.model, self.specimen.train)

    @cached_property
    def centre(self) -> Tensor:
        """The mean of the training examples, (features,)."""
        return self.train.x.mean(0)

    @cached_property
    def test(self) -> Observation:
        """The model on test examples."""
        return observe_model(self.model, self.specimen.test, self.centre)

    @cached_property
    def odd(self) -> Observation:
        """The model on test examples of classes that it was not trained on."""
        return observe_model(self.model, self.specimen.odd, self.centre)

    @cached_property
    def error_share(self) -> float:
        """The error on test examples, as a share of their spread about the mean."""
        return divide(self.test.errors.mean(), self.test.spread.mean())

    @cached_property
    def pca_error(self) -> float:
        """The error on test examples of as many principal components as the code has numbers."""
        if self.code_width >= self.features:
            return 0.0
        pca = fit_pca(self.train.x.numpy(), self.code_width)
        axes = torch.from_numpy(pca.components_).float()
        centred = self.test.x - torch.from_numpy(pca.mean_).float()
        residuals = (centred - centred @ axes.T @ axes).square()
        return float((residuals * self.test.known).sum(1).mean())

    @cached_property
    def kl(self) -> Tensor:
        """The mean KL of each unit of a variational code to the prior, (latent_dim,) in nats."""
        assert self.test.log_variances is not None
        return kl_of_units(self.test.codes, self.test.log_variances).mean(0)

    @cached_property
    def drawn_codes(self) -> Tensor:
        """Codes of test examples as the decoder is trained on them, (N, latent_dim)."""
        codes, log_variances = self.test.codes, self.test.log_variances
        if log_variances is None:
            return codes
        generator = torch.Generator().manual_seed(0)
        eps = torch.randn(codes.shape, generator=generator)
        return codes + (0.5 * log_variances).exp() * eps


def divide(a: Tensor | float, b: Tensor | float) -> float:
    """Returns a / b; 0 where both are 0."""
    return float(a) / max(float(b), 1e-12)
