"""Diseases of the fit: too close to the training examples, too far from all, or lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aecore.analysis.anomaly_scores import score_residuals
from aecore.analysis.doctor.base import Disease
from aecore.analysis.doctor.patient import Observation, Patient, divide
from aecore.analysis.doctor.retraining import (
    corrupt,
    find_raised_rate,
    hold_out_and_corrupt,
    train_at_former_rate,
    train_longer,
)
from aecore.runs.records import KnobRecord

MAX_RISE = 0.5  # of the loss above its lowest value
READABLE_RISE = 10  # as a percentage; of a larger one both losses are named
LEAST_GAP = 0.06  # of the data's variance; a smaller one between test and training is no matter
NOT_SQUARED = ("laplace", "logistic_mixture", "mixed", "ms_ssim", "student_t")  # likelihoods
EASY_AUC = 0.99  # of the distance to the mean, beyond which no detector can gain


# -- divergence


def measure_rise(patient: Patient) -> float:
    """Returns how far the last loss lies above the lowest, as a share of it; inf where it failed.

    Only of the epochs in which the loss has its final meaning, without the fading in of terms.
    """
    if "diverged" in patient.failure or not patient.test.errors.isfinite().all():
        return math.inf
    losses = list_final_losses(patient)
    if len(losses) < 2:
        return 0.0
    lowest, last = min(losses), losses[-1]
    lost = divide(last - lowest, losses[0] - lowest)  # of what the training had gained
    return divide(last - lowest, abs(lowest)) if lost > 0.5 else 0.0


def list_final_losses(patient: Patient) -> list[float]:
    """Returns the training loss of the epochs after the KL's warm-up, annealing and moved knobs."""
    training, options = patient.config.training, patient.config.model.bottleneck
    first = training.kl_warmup_epochs if training else 0
    if training and (getattr(options, "start", None) or getattr(options, "capacity", None)):
        first = max(first, training.epochs // 2 + 1)
    moved = [move.epoch for move in patient.moves if moves_loss(move)]
    first = max([first, *moved])
    return [record.loss for record in patient.history[first:] if record.loss is not None]


def moves_loss(move: KnobRecord) -> bool:
    """Returns whether the loss has another meaning after a move: a learning rate leaves it."""
    return any(not path.startswith("training.") for path in move.knobs)


def describe_rise(patient: Patient, rise: float) -> str:
    """Says by how much the loss rose, and after which move of the learning rate."""
    raised = find_raised_rate(patient) if rise > MAX_RISE else None
    cause = f"{raised} " if raised else ""
    if math.isinf(rise):
        return f"{cause}The training ended with a loss that is not finite any more."
    if rise < READABLE_RISE:
        return f"{cause}The last training loss lies {rise:.1%} above the lowest one."
    losses = list_final_losses(patient)
    lowest, last = format_power(min(losses)), format_power(losses[-1])
    return f"{cause}The training loss rose from {lowest}, its lowest, to {last}."


def format_power(value: float) -> str:
    """Returns three digits, of a large number as `7.39 x 10^12`."""
    digits, _, power = f"{value:.3g}".partition("e+")
    return f"{digits} x 10^{int(power)}" if power else digits


# -- copying


def may_copy(patient: Patient) -> bool:
    """Returns whether the code is wide enough for the input, and the input is not corrupted."""
    model = patient.model.config
    return patient.code_width >= patient.features and model.corruption is None


def measure_kept_share(patient: Patient) -> float:
    """Returns which share of the test examples' variance the reconstruction keeps."""
    return 1 - patient.error_share


def describe_copy(patient: Patient, share: float) -> str:
    """Names the error and the widths."""
    return (
        f"A code of {patient.code_width:,} numbers for inputs of {patient.features:,} leaves "
        f"{1 - share:.2%} of their variance."
    )


# -- overfitting


def measure_overfit(patient: Patient) -> float:
    """Returns the error on test examples over that on training examples; 1 for a small gap."""
    test, train = patient.test.errors.mean(), patient.train.errors.mean()
    gap = divide(test - train, patient.test.spread.mean())
    return divide(test, train) if gap > LEAST_GAP else min(1.0, divide(test, train))


def describe_overfit(patient: Patient, ratio: float) -> str:
    """Names both errors."""
    train, test = (float(part.errors.mean()) for part in (patient.train, patient.test))
    return f"Squared error {test:.3g} on test examples, {train:.3g} on training examples."


# -- underfitting


def compare_with_pca(patient: Patient) -> float:
    """Returns the error on test examples over that of as many principal components."""
    if patient.code_width >= patient.features:
        return math.inf
    return divide(patient.test.errors.mean(), patient.pca_error)


def describe_pca(patient: Patient, ratio: float) -> str:
    """Names both errors."""
    own, count = float(patient.test.errors.mean()), patient.code_width
    error = f"Squared error {own:.3g} ({len(patient.test.errors):,} test examples)"
    if count >= patient.features:
        return f"{error}; PCA with {count:,} components leaves none."
    components = f"{count:,} component{'' if count == 1 else 's'}"
    return f"{error}, that of PCA with {components} {patient.pca_error:.3g}."


def explain_underfit(patient: Patient) -> str:
    """Returns why a model is meant to rebuild less than PCA does, if it is."""
    model = patient.model.config
    reasons: Sequence[tuple[bool, str]] = (
        (measure_rise(patient) > MAX_RISE, "The training diverged."),
        (model.bottleneck.is_variational, "The KL term trades reconstruction for a shorter code."),
        (patient.code_width >= patient.features, "A code as wide as the input: PCA copies it."),
        (patient.model.bottleneck.levels is not None, "The code is discrete, PCA's is not."),
        (bool(model.penalties), "The penalty trades reconstruction for a simpler code."),
        (model.corruption is not None, "It is trained to rebuild inputs from corrupted ones."),
        (
            model.likelihood.kind in NOT_SQUARED,
            "Its likelihood is not the squared error, which PCA minimises.",
        ),
    )
    return next((text for applies, text in reasons if applies), "")


# -- a weak detector


def is_detector(patient: Patient) -> bool:
    """Returns whether it was trained on one class, with examples of others to tell apart."""
    return len(patient.specimen.odd) > 0 and len(patient.specimen.test) > 0


def measure_auc(normal: Tensor, odd: Tensor) -> float:
    """Returns the area under the ROC curve of scores (N,) and (K,)."""
    from sklearn.metrics import roc_auc_score

    is_odd = torch.cat([torch.zeros(len(normal)), torch.ones(len(odd))])
    return float(roc_auc_score(is_odd.numpy(), torch.cat([normal, odd]).nan_to_num().numpy()))


def measure_baseline_lead(patient: Patient) -> float:
    """Returns the ROC AUC of the distance to the mean, less that of the model's score."""
    normal, odd = (score_observation(patient, part) for part in (patient.test, patient.odd))
    return measure_mean_auc(patient) - measure_auc(normal, odd)


def score_observation(patient: Patient, observed: Observation) -> Tensor:
    """Returns the anomaly scores (N,) of what was observed, of the model's own kind."""
    config = patient.model.config
    if config.anomaly_score == "error":
        return observed.errors
    x = observed.x.unflatten(1, config.input_shape)
    residuals = x - observed.rebuilt.unflatten(1, config.input_shape)
    return score_residuals(residuals, x, config.anomaly_score)


def measure_mean_auc(patient: Patient) -> float:
    """Returns the ROC AUC of the distance to the mean of the training examples."""
    return measure_auc(patient.test.spread, patient.odd.spread)


def describe_detector(patient: Patient, lead: float) -> str:
    """Names both areas."""
    mean = measure_mean_auc(patient)
    return f"ROC AUC {mean - lead:.3f}, that of the distance to the mean {mean:.3f}."


def explain_weak_detector(patient: Patient) -> str:
    """Returns that the mean tells nearly all apart, where it does."""
    is_easy = measure_mean_auc(patient) >= EASY_AUC
    return "The distance to the mean tells nearly all of them apart already." if is_easy else ""


FIT_DISEASES = (
    Disease(
        name="divergence",
        threshold=MAX_RISE,
        meaning="The steps are too long: the loss grows instead of falling.",
        applies=lambda patient: bool(patient.history) or math.isinf(measure_rise(patient)),
        measure=measure_rise,
        describe=describe_rise,
        cure=train_at_former_rate,
    ),
    Disease(
        name="underfitting",
        threshold=1.05,
        meaning="A linear projection of the same size does better: the network has not learned "
        "what it could.",
        applies=lambda patient: True,
        measure=compare_with_pca,
        describe=describe_pca,
        cure=train_longer,
        explain=explain_underfit,
    ),
    Disease(
        name="overfitting",
        threshold=3.0,
        meaning="It has learned its training examples by heart: new ones are rebuilt much worse.",
        applies=lambda patient: True,
        measure=measure_overfit,
        describe=describe_overfit,
        cure=hold_out_and_corrupt,
    ),
    Disease(
        name="copying",
        threshold=0.99,
        meaning="It has learned the identity: the code holds the input and says nothing about it.",
        applies=may_copy,
        measure=measure_kept_share,
        describe=describe_copy,
        cure=corrupt,
    ),
    Disease(
        name="weak detector",
        threshold=-0.005,
        meaning="Its score finds no more anomalies than the distance to the mean, which needs no "
        "model.",
        applies=is_detector,
        measure=measure_baseline_lead,
        describe=describe_detector,
        cure=train_longer,
        explain=explain_weak_detector,
    ),
)
