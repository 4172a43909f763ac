"""How good codes are as features: a linear classifier on them, or the encoder fine-tuned under one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.analysis.metrics import iterate_chunks
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder

PROBE_HELD_OUT = 1 / 6  # of the training examples, to choose by


class ProbeResult(NamedTuple):
    """Share of examples that are classified wrongly."""

    error: float  # on the test set
    validation_error: float  # on the training examples held out, by which was chosen
    chosen: float  # the strength C, or the epoch


def fit_linear_probe(
    z: Tensor,
    y: Tensor,
    test_z: Tensor,
    test_y: Tensor,
    strengths: Sequence[float] = (0.01, 0.1, 1.0),
    seed: int = 0,
) -> ProbeResult:
    """Multinomial logistic regression on features z (N, d) with classes y (N,).

    The inverse penalty C is chosen among `strengths` on a sixth of the training examples; the
    classifier is then fitted to all of them. ConfigError where there is but one class.
    """
    from sklearn.linear_model import LogisticRegression

    check_classes(z, y)
    kept, held = split_probe_rows(len(z), seed)
    scale = z.std().item() or 1.0  # one for all: a feature that hardly moves is to stay one

    def fitted(strength: float, rows: Tensor) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(
            (z[rows] / scale).numpy(), y[rows].numpy()
        )

    def error(model: LogisticRegression, z: Tensor, y: Tensor) -> float:
        return 1 - float(model.score((z / scale).numpy(), y.numpy()))

    errors = {strength: error(fitted(strength, kept), z[held], y[held]) for strength in strengths}
    best = min(errors, key=errors.__getitem__)
    return ProbeResult(
        error(fitted(best, torch.arange(len(z))), test_z, test_y), errors[best], best
    )


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
    """Train a copy of the encoder of `model` with a softmax layer on its code to tell classes apart.

    x (N, *input_shape), y (N,). Cross-entropy, Adam with a cosine schedule; the epoch is chosen on a
    sixth of the training examples. `dropout` is the share of code units left out at each step.
    """
    check_classes(x, y)
    torch.manual_seed(seed)
    classifier = Classifier(model, int(y.max()) + 1, dropout)
    inputs, test = (
        torch.cat([batch for batch, _ in iterate_chunks(model, part)]) for part in (x, test_x)
    )
    y, test_y = y.to(inputs.device), test_y.to(inputs.device)
    kept, held = (rows.to(inputs.device) for rows in split_probe_rows(len(x), seed))
    optimizer = torch.optim.Adam(classifier.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    best = ProbeResult(1.0, 2.0, 0)
    for epoch in range(1, epochs + 1):
        classifier.train()
        for rows in kept[torch.randperm(len(kept), device=kept.device)].split(batch_size):
            loss = F.cross_entropy(classifier(inputs[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        schedule.step()
        error = classifier.error(inputs[held], y[held])
        if error <= best.validation_error:  # of equal ones the later: it is trained further
            best = ProbeResult(classifier.error(test, test_y), error, epoch)
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
        """x (N, *input_shape), in the network's units -> logits (N, classes)."""
        return self.top(self.dropout(self.model.bottleneck.snap(self.model.encode_scaled(x))))

    @torch.no_grad()
    def error(self, x: Tensor, y: Tensor) -> float:
        self.eval()
        wrong = sum(
            (self(a).argmax(1) != b).sum().item()
            for a, b in zip(x.split(1000), y.split(1000), strict=True)
        )
        return wrong / len(x)


def check_classes(x: Tensor, y: Tensor) -> None:
    if len(x) != len(y):
        raise ConfigError(
            f"There are {len(x)} examples but {len(y)} classes. Give one class for each example."
        )
    if len(y.unique()) < 2:
        raise ConfigError("All examples are of one class: give some of a second one.")


def split_probe_rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train with, and a sixth to choose by."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(count * PROBE_HELD_OUT))
    return order[held:], order[:held]
