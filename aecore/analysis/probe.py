"""The quality of codes as features: a linear classifier, or the encoder fine-tuned with one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.analysis.chunks import iterate_chunks
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder

PROBE_HELD_OUT = 1 / 6  # share of the training examples that strength or epoch is chosen on


class ProbeResult(NamedTuple):
    """Share of examples that are classified wrongly."""

    error: float  # on the test set
    validation_error: float  # on the training examples held out, which is the smallest
    setting: float  # the strength C, or the epoch, with that validation error


def fit_linear_probe(
    z: Tensor,
    y: Tensor,
    test_z: Tensor,
    test_y: Tensor,
    strengths: Sequence[float] = (0.01, 0.1, 1.0),
    seed: int = 0,
) -> ProbeResult:
    """Fits multinomial logistic regression on features z (N, d) with classes y (N,).

    The inverse penalty C is chosen among `strengths` on a sixth of the training examples; the
    classifier is then fitted to all of them. ConfigError where there is but one class.
    """
    from sklearn.linear_model import LogisticRegression

    check_classes(z, y)
    rows, held = split_probe_rows(len(z), seed)
    scale = z.std().item() or 1.0  # one for all: a feature that hardly moves is to stay one

    def fit_classifier(strength: float, rows: Tensor) -> LogisticRegression:
        classifier = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
        return classifier.fit((z[rows] / scale).numpy(), y[rows].numpy())

    def measure_error(classifier: LogisticRegression, z: Tensor, y: Tensor) -> float:
        return 1 - float(classifier.score((z / scale).numpy(), y.numpy()))

    errors = {
        strength: measure_error(fit_classifier(strength, rows), z[held], y[held])
        for strength in strengths
    }
    best = min(errors, key=errors.__getitem__)
    classifier = fit_classifier(best, torch.arange(len(z)))
    return ProbeResult(measure_error(classifier, test_z, test_y), errors[best], best)


def fine_tune_encoder(
    model: Autoencoder,
    x: Tensor,
    y: Tensor,
    test_x: Tensor,
    test_y: Tensor,
    *,
    epochs: int = 50,
    batch_size: int = 100,
    lr: float = 1e-3,
    dropout: float = 0.0,
    seed: int = 0,
) -> ProbeResult:
    """Trains a copy of the encoder of `model` with a softmax layer on its code as a classifier.

    x (N, *input_shape), y (N,). Cross-entropy, Adam with a cosine schedule; the epoch is chosen on
    a sixth of the training examples. `dropout` is the share of code units left out at each step.
    """
    check_classes(x, y)
    torch.manual_seed(seed)
    classifier = Classifier(model, int(y.max()) + 1, dropout)
    inputs, test_inputs = (
        torch.cat([batch for batch, _ in iterate_chunks(model, part)]) for part in (x, test_x)
    )
    y, test_y = y.to(inputs.device), test_y.to(inputs.device)
    train_rows, held = (rows.to(inputs.device) for rows in split_probe_rows(len(x), seed))
    optimizer = torch.optim.Adam(classifier.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    best = ProbeResult(1.0, 2.0, 0)
    for epoch in range(1, epochs + 1):
        classifier.train()
        order = torch.randperm(len(train_rows), device=train_rows.device)
        for rows in train_rows[order].split(batch_size):
            loss = F.cross_entropy(classifier(inputs[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        schedule.step()
        error = classifier.error(inputs[held], y[held])
        if error <= best.validation_error:  # of equal ones the later: it is trained further
            best = ProbeResult(classifier.error(test_inputs, test_y), error, epoch)
    return best


class Classifier(nn.Module):
    """A copy of a model's encoder, with a softmax layer on top."""

    def __init__(self, model: Autoencoder, classes: int, dropout: float):
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.model.encoder.requires_grad_(True)
        self.dropout, self.top = nn.Dropout(dropout), nn.Linear(model.config.latent_dim, classes)
        nn.init.zeros_(self.top.weight)
        self.to(model.shift.device)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits (N, classes) of x (N, *input_shape), in the network's units."""
        codes = self.model.bottleneck.snap(self.model.encode_scaled(x))
        return self.top(self.dropout(codes))

    @torch.no_grad()
    def error(self, x: Tensor, y: Tensor) -> float:
        """Returns the share of x (N, *input_shape) whose class is not y (N,)."""
        self.eval()
        wrong = 0
        for inputs, classes in zip(x.split(1000), y.split(1000), strict=True):
            wrong += int((self(inputs).argmax(1) != classes).sum().item())
        return wrong / len(x)


def check_classes(x: Tensor, y: Tensor) -> None:
    """Raises ConfigError where x and y differ in number, or there is but one class."""
    if len(x) != len(y):
        raise ConfigError(
            f"There are {len(x)} examples but {len(y)} classes. Give one class for each example."
        )
    if len(y.unique()) < 2:
        raise ConfigError("All examples are of one class: give some of a second one.")


def split_probe_rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Returns the rows to train with, and a sixth of all `count` rows to choose by."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(count * PROBE_HELD_OUT))
    return order[held:], order[:held]
