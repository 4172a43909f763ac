"""Anomalies: a denoising autoencoder is fitted to normal examples, and what it would move far is anomalous.

Trained with Gaussian noise of variance sigma^2, the best reconstruction is r(x) = x + sigma^2 grad ln p_sigma(x)
(Vincent, 2011, A Connection Between Score Matching and Denoising Autoencoders; Alain & Bengio, 2014). The score

    s(x) = |x - r(x)|^2 = sigma^4 |grad ln p_sigma(x)|^2,      x and r(x) in the network's units: scaled columns

is therefore the squared step back to where the training data are dense. No noise is added when scoring.
The one default for tables was chosen over what bench/fidelity/e09_anomaly.py lists, with the figures of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.plan import count_training_rows, plan_run

DETECTOR_VARIANT = "denoising-gaussian"
DETECTOR_STEPS = 1500  # of training, for a table of any length


@dataclass(frozen=True)
class Detector:
    """A trained model and the scores of the normal examples that it is calibrated on."""

    model: Autoencoder
    normal: Tensor  # (M,) ascending

    def score(self, x: Tensor) -> Tensor:
        """x (N, *input_shape), in the data's units -> (N,): higher is more anomalous."""
        return score_anomalies(self.model, x)

    def p_values(self, x: Tensor) -> Tensor:
        """(N, *input_shape) -> (N,): the share of normal examples that score as high, itself counted: conformal.

        p(x) = (1 + #{i: s_i >= s(x)}) / (1 + M). Where x is normal and the M were not trained on, P(p <= a) <= a
        (Vovk et al., 2005). Examples of the training set score low, which makes p too small.
        """
        return self.p_of(self.score(x))

    def p_of(self, scores: Tensor) -> Tensor:
        """Scores (N,) -> p-values (N,)."""
        below = torch.searchsorted(self.normal, scores)
        return (1 + len(self.normal) - below) / (1 + len(self.normal))

    def threshold(self, false_alarms: float = 0.05) -> float:
        """The score that a new normal example exceeds with this chance; the highest known where they are too few.

        Of order M + 1, since the new one may lie in each of the M + 1 gaps alike.
        """
        check_false_alarm_share(false_alarms)
        return float(np.quantile(self.normal.double().numpy(), 1 - false_alarms, method="weibull"))

    def alarms_between(
        self, false_alarms: float = 0.05, chance: float = 0.9
    ) -> tuple[float, float]:
        """Between which shares the false alarms of that threshold lie with this chance: the fewer normal, the wider.

        The share above the j-th of M scores is Beta(M + 1 - j, j) (Vovk, 2012, Conditional validity of inductive
        conformal predictors), and j = (M + 1) (1 - a).
        """
        from scipy.stats import beta

        check_false_alarm_share(false_alarms)
        above = (len(self.normal) + 1) * false_alarms
        law = beta(above, len(self.normal) + 1 - above)
        return float(law.ppf((1 - chance) / 2)), float(law.ppf((1 + chance) / 2))


def check_false_alarm_share(false_alarms: float) -> None:
    """ConfigError unless it is a share."""
    if not 0 < false_alarms < 1:
        raise ConfigError(
            f"The share of false alarms must lie between 0 and 1, got {false_alarms}."
        )


def plan_detector(name: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """The run that makes a detector of the normal examples in the data set or path `name`: one for every table.

    Wide enough to learn the data by heart, so it is the noise that keeps it from copying; and as many steps
    for a short table as for a long one. `settings` replace these, as in aecore.runs.plan.
    """
    rows = count_training_rows(name, settings)
    batch = max(1, min(64, rows // 8))  # the small batches of short tables keep their epochs few
    chosen = {
        "network.hidden": (256,),
        "network.activation": "relu",
        "network.norm": "none",
        "latent_dim": 128,
        "corruption.sigma": 0.25,
        "training.batch_size": batch,
        "training.epochs": math.ceil(DETECTOR_STEPS / math.ceil(rows / batch)),
        "training.lr": 1e-3,
        "data.validation_fraction": 0,  # normal examples are few, and the last epoch is the best
    }
    return plan_run(DETECTOR_VARIANT, name, settings={**chosen, **(settings or {})})


def fit_detector(model: Autoencoder, normal: Tensor) -> Detector:
    """A detector from a trained model and normal examples (M, *input_shape), best ones it was not trained on."""
    return Detector(model, score_anomalies(model, normal).sort().values)


def draw_calibration_rows(normal: Tensor, seed: int = 0) -> Tensor:
    """Of examples that are normal or not, bool (N,): half of the normal ones, ascending; the others are to be scored.

    So none that is scored has also set the threshold.
    """
    rows = normal.nonzero().flatten()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[: len(rows) // 2]].sort().values


class AverageRates(NamedTuple):
    """What a share of false alarms gives, over many draws of the examples that the threshold is set on."""

    false_alarms: float
    found: float  # of the anomalies; NaN without any
    draws: int


def average_over_draws(
    scores: Tensor, normal: Tensor, false_alarms: float, draws: int = 100
) -> AverageRates:
    """Means over as many `calibration_rows` of scores (N,), normal or not, bool (N,): one half can be a lucky one."""
    alarms, found = [], []
    for seed in range(draws):
        held = draw_calibration_rows(normal, seed)
        rest = normal.index_fill(0, held, False)
        values = scores[held].double().sort().values.numpy()
        at = float(np.quantile(values, 1 - false_alarms, method="weibull"))
        alarms.append((scores[rest] > at).float().mean())
        found.append((scores[~normal] > at).float().mean())
    return AverageRates(torch.stack(alarms).mean().item(), torch.stack(found).mean().item(), draws)


def score_anomalies(model: Autoencoder, x: Tensor) -> Tensor:
    """|x - r(x)|^2 in the network's units: x (N, *input_shape) -> (N,), on the CPU; higher is more anomalous."""
    return scaled_residuals(model, x).square().flatten(1).sum(1)


def scaled_residuals(model: Autoencoder, x: Tensor) -> Tensor:
    """x - r(x) in the network's units, (N, *input_shape): which columns make an example anomalous, and which way."""
    x = as_float(check_scorable(model, x)).to("cpu", model.scale.dtype)
    model.eval()  # a layer that normalises must use what it learned, not this batch
    return (x - reconstruct_in_chunks(model, x)) / model.scale.cpu()


def check_scorable(model: Autoencoder, x: Tensor) -> Tensor:
    """x, or a DataError where it cannot be scored."""
    shape = model.config.input_shape
    if tuple(x.shape[1:]) != shape:
        raise DataError(f"This detector takes examples of shape {shape}, got {tuple(x.shape[1:])}.")
    if not len(x):
        raise DataError("There are no examples to score. Give at least one.")
    if x.is_floating_point() and not x.isfinite().all():
        row = int((~x.isfinite()).flatten(1).any(1).nonzero()[0])
        raise DataError(
            f"Example {row} (counted from 0) holds NaN or infinite values. Remove or fill them."
        )
    return x


def auroc(scores: Tensor, anomalous: Tensor) -> float:
    """The chance that an anomaly scores above a normal example, a tie counting half: (N,), bool (N,) -> [0, 1].

    (R - n1 (n1 + 1) / 2) / (n0 n1) with R the sum of the anomalies' ranks (Mann & Whitney, 1947).
    """
    anomalous = anomalous.bool()
    n1 = int(anomalous.sum())
    n0 = len(anomalous) - n1
    if not n0 or not n1:
        raise DataError(f"AUROC needs normal and anomalous examples, got {n0} and {n1}.")
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    rank = counts.cumsum(0) - (counts.double() - 1) / 2  # the mean rank of those that tie
    return (rank[inverse][anomalous].sum().item() - n1 * (n1 + 1) / 2) / (n0 * n1)


class Confusion(NamedTuple):
    """Counts at one threshold; positive is anomalous."""

    found: int  # anomalies above it
    missed: int
    false_alarms: int  # normal examples above it
    passed: int

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.false_alarms)

    @property
    def recall(self) -> float:
        return self.found / max(1, self.found + self.missed)


def count_confusion(scores: Tensor, anomalous: Tensor, threshold: float) -> Confusion:
    """Scores (N,) above the threshold against the truth, bool (N,)."""
    above, anomalous = scores > threshold, anomalous.bool()
    counts = (
        (above & anomalous),
        (~above & anomalous),
        (above & ~anomalous),
        (~above & ~anomalous),
    )
    return Confusion(*(int(count.sum()) for count in counts))


class DetectionCurves(NamedTuple):
    """What every threshold gives: each point of a curve, and the areas under them."""

    false_alarms: np.ndarray  # of the ROC curve
    found: np.ndarray
    recall: np.ndarray  # of the precision-recall curve
    precision: np.ndarray
    auroc: float
    average_precision: float


def compute_detection_curves(scores: Tensor, anomalous: Tensor) -> DetectionCurves:
    """ROC and precision-recall of scores (N,) against the truth, bool (N,). DataError where one kind is missing."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    area = auroc(scores, anomalous)
    truth, given = anomalous.numpy().astype(int), scores.numpy()
    false_alarms, found, _ = roc_curve(truth, given)
    precision, recall, _ = precision_recall_curve(truth, given)
    return DetectionCurves(
        false_alarms, found, recall, precision, area, float(average_precision_score(truth, given))
    )


def find_cheapest_threshold(
    scores: Tensor, anomalous: Tensor, miss: float, false_alarm: float = 1.0
) -> float:
    """The threshold that costs least on scores (N,) of known truth, bool (N,), at so much a miss and a false alarm.

    Chosen on what it is then judged by, it looks better than it is where examples are few.
    """
    if not (0 < miss < math.inf and 0 < false_alarm < math.inf):
        raise ConfigError(
            f"A miss and a false alarm must cost more than 0, got {miss} and {false_alarm}."
        )
    values, place = scores.unique(return_inverse=True)
    count = torch.bincount(place, weights=anomalous.double(), minlength=len(values))
    normal = torch.bincount(place, weights=(~anomalous.bool()).double(), minlength=len(values))
    below = torch.cat(
        [count.new_zeros(1), count.cumsum(0)]
    )  # anomalies missed with 0, 1, ... values below the threshold
    above = torch.cat([normal.flip(0).cumsum(0).flip(0), count.new_zeros(1)])
    best = int((miss * below + false_alarm * above).argmin())
    if best in (0, len(values)):
        return float(values[0] - 1 if best == 0 else values[-1])
    return float((values[best - 1] + values[best]) / 2)
