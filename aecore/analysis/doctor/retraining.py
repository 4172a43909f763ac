"""Cures that train a model again: at a usual rate, for longer, with examples held out."""

from __future__ import annotations

from typing import Any, NamedTuple

from aecore.analysis.doctor.patient import Patient
from aecore.model.config import TrainConfig
from aecore.model.variants import VARIANTS

RATE = "training.lr"
LONGER = 4  # times the epochs
HELD_OUT = 0.1  # of the training examples


class RaisedRate(NamedTuple):
    """A learning rate that was raised while the run trained."""

    before: float
    after: float
    epoch: int

    def __str__(self) -> str:
        return (
            f"The learning rate was moved from {self.before:.3g} to {self.after:.3g} in epoch "
            f"{self.epoch}."
        )


def find_raised_rate(patient: Patient) -> RaisedRate | None:
    """Returns the highest rate that a run was moved to after its lowest loss, if any.

    `before` is the rate with which the loss was lowest.
    """
    losses = [(record.loss, record.epoch) for record in patient.history if record.loss is not None]
    best = min(losses)[1] if losses else 0
    before, raised = (patient.config.training or TrainConfig()).lr, None
    for move in patient.moves:
        rate = move.knobs.get(RATE)
        if rate is None:
            continue
        if (move.epoch, move.step) <= (best, 0):
            before = rate
        elif rate > (raised.after if raised else before):
            raised = RaisedRate(before, rate, move.epoch)
    return raised


def train_at_former_rate(patient: Patient) -> dict[str, Any]:
    """Returns the rate that a run had before it was raised by hand, else another than it had."""
    raised = find_raised_rate(patient)
    return {RATE: raised.before} if raised else train_at_default_rate(patient)


def train_at_default_rate(patient: Patient) -> dict[str, Any]:
    """Returns the variant's own optimiser and learning rate, or a lower rate where it had those."""
    training = patient.config.training or TrainConfig()
    rate = find_default_rate(patient)
    if training.optimizer == "adam" and training.lr == rate:
        return {RATE: rate / 4}
    changes: dict[str, Any] = {RATE: rate}
    if training.optimizer == "sgd":
        changes["training.optimizer"] = "adam"
    return changes


def train_longer(patient: Patient) -> dict[str, Any]:
    """Returns the variant's learning rate where the run's was lower, else more epochs."""
    training = patient.config.training or TrainConfig()
    rate = find_default_rate(patient)
    if training.lr < rate / 2 or training.optimizer == "sgd":
        return train_at_default_rate(patient)
    return {"training.epochs": training.epochs * LONGER, "training.schedule": "cosine"}


def find_default_rate(patient: Patient) -> float:
    """Returns the learning rate of the run's variant."""
    variant = VARIANTS.get(patient.config.model.variant)
    default = TrainConfig().lr
    return float(variant.training.get("lr", default)) if variant else default


def hold_out_and_corrupt(patient: Patient) -> dict[str, Any]:
    """Returns noise on the inputs, and a stop by examples that are held out."""
    data, model = patient.config.data, patient.model.config
    changes: dict[str, Any] = {"training.early_stopping": 10}
    if data is not None and data.validation_fraction < HELD_OUT:
        changes["data.validation_fraction"] = HELD_OUT
    return changes | (corrupt(patient) if model.corruption is None else narrow(patient))


def corrupt(patient: Patient) -> dict[str, Any]:
    """Returns Gaussian noise on the inputs of the training."""
    return {"corruption.kind": "gaussian"}


def narrow(patient: Patient) -> dict[str, Any]:
    """Returns half the code."""
    return {"latent_dim": max(1, patient.latent_dim // 2)}
