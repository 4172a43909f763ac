"""Detection performance: scores against the truth, at one threshold and at all of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.errors import ConfigError, DataError


class Confusion(NamedTuple):
    """The confusion matrix at one threshold; positive is anomalous."""

    true_positives: int  # anomalies above the threshold
    false_negatives: int
    false_positives: int  # normal examples above the threshold
    true_negatives: int

    @property
    def precision(self) -> float:
        """The share of true positives among those above the threshold."""
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """The share of anomalies that are above the threshold."""
        return self.true_positives / max(1, self.true_positives + self.false_negatives)


def count_confusion(scores: Tensor, anomalous: Tensor, threshold: float) -> Confusion:
    """Compare scores (N,) above the threshold with the truth, bool (N,)."""
    above, anomalous = scores > threshold, anomalous.bool()
    cells = (above & anomalous, ~above & anomalous, above & ~anomalous, ~above & ~anomalous)
    return Confusion(*(int(cell.sum()) for cell in cells))


class DetectionCurves(NamedTuple):
    """ROC and precision-recall curves, a point for every threshold, and the areas under them."""

    false_positive_rate: np.ndarray  # of the ROC curve
    true_positive_rate: np.ndarray
    recall: np.ndarray  # of the precision-recall curve
    precision: np.ndarray
    auroc: float
    average_precision: float


def compute_detection_curves(scores: Tensor, anomalous: Tensor) -> DetectionCurves:
    """Return the curves of scores (N,) against the truth, bool (N,).

    DataError without normal or without anomalous examples.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    auroc = compute_auroc(scores, anomalous)
    truth, values = anomalous.numpy().astype(int), scores.numpy()
    false_positive_rate, true_positive_rate, _ = roc_curve(truth, values)
    precision, recall, _ = precision_recall_curve(truth, values)
    return DetectionCurves(
        false_positive_rate,
        true_positive_rate,
        recall,
        precision,
        auroc,
        float(average_precision_score(truth, values)),
    )


def compute_auroc(scores: Tensor, anomalous: Tensor) -> float:
    """Return the probability that an anomaly scores above a normal example, a tie counting half.

    (R - n1 (n1 + 1) / 2) / (n0 n1) with R the sum of the anomalies' ranks (Mann & Whitney, 1947).
    scores (N,), anomalous bool (N,). DataError without normal or without anomalous examples.
    """
    anomalous = anomalous.bool()
    n1 = int(anomalous.sum())
    n0 = len(anomalous) - n1
    if not n0 or not n1:
        raise DataError(f"AUROC needs normal and anomalous examples, got {n0} and {n1}.")
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    rank = counts.cumsum(0) - (counts.double() - 1) / 2  # the mean rank of those that tie
    return (rank[inverse][anomalous].sum().item() - n1 * (n1 + 1) / 2) / (n0 * n1)


def find_cheapest_threshold(
    scores: Tensor, anomalous: Tensor, miss: float, false_alarm: float = 1.0
) -> float:
    """Return the threshold of least cost on scores (N,) of known truth, bool (N,).

    `miss` and `false_alarm` are the costs of one. Judged on the same examples, the threshold looks
    better than it is where they are few.
    """
    if not (0 < miss < math.inf and 0 < false_alarm < math.inf):
        raise ConfigError(
            f"A miss and a false alarm must cost more than 0, got {miss} and {false_alarm}."
        )
    values, inverse = scores.unique(return_inverse=True)
    anomalies = torch.bincount(inverse, weights=anomalous.double(), minlength=len(values))
    normal = torch.bincount(inverse, weights=(~anomalous.bool()).double(), minlength=len(values))
    # with 0, 1, ... values below the threshold: anomalies below it, normal examples above it
    misses = torch.cat([anomalies.new_zeros(1), anomalies.cumsum(0)])
    alarms = torch.cat([normal.flip(0).cumsum(0).flip(0), anomalies.new_zeros(1)])
    best = int((miss * misses + false_alarm * alarms).argmin())
    if best in (0, len(values)):
        return float(values[0] - 1 if best == 0 else values[-1])
    return float((values[best - 1] + values[best]) / 2)
