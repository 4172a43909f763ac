"""Anomalies: examples that a denoising autoencoder, fitted to normal ones, would move far.

Trained with Gaussian noise of variance sigma^2, the best reconstruction is
r(x) = x + sigma^2 grad ln p_sigma(x) (Vincent, 2011, A Connection Between Score Matching and
Denoising Autoencoders; Alain & Bengio, 2014). The score, with x and r(x) in the network's units,
that is scaled columns,

    s(x) = |x - r(x)|^2 = sigma^4 |grad ln p_sigma(x)|^2

is therefore the squared step back to where the training data are dense. No noise is added when
scoring. The one default for tables was chosen over those of bench/fidelity/e09_anomaly.py, which
has the figures of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.errors import ConfigError, DataError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.plan import count_training_rows
from aecore.tasks.recipes import Settings, TaskRecipe

DETECTOR_VARIANT = "denoising-gaussian"
DETECTOR_STEPS = 1500  # of training, for a table of any length
DETECTOR_RECIPE = TaskRecipe(
    DETECTOR_VARIANT,
    {
        "network.hidden": (256,),
        "network.activation": "relu",
        "network.norm": "none",
        "latent_dim": 128,
        "corruption.sigma": 0.25,
        "training.lr": 1e-3,
        "data.validation_fraction": 0,  # normal examples are few, and the last epoch is the best
    },
)


def plan_detector(name: str, settings: Settings | None = None) -> RunConfig:
    """Return the run that makes a detector of the normal examples in the data set or path `name`.

    One recipe for every table: wide enough to learn the data by heart, so that only the noise keeps
    it from copying; and as many steps for a short table as for a long one. `settings` replace it.
    """
    rows = count_training_rows(name, settings)
    batch = max(1, min(64, rows // 8))  # the small batches of short tables keep their epochs few
    epochs = math.ceil(DETECTOR_STEPS / math.ceil(rows / batch))
    computed = {"training.batch_size": batch, "training.epochs": epochs}
    return DETECTOR_RECIPE.plan(name, settings, computed=computed)


# -- scores


def score_anomalies(model: Autoencoder, x: Tensor) -> Tensor:
    """Return |x - r(x)|^2 in the network's units: x (N, *input_shape) -> (N,), on the CPU.

    Higher is more anomalous. DataError for examples that cannot be scored.
    """
    return compute_scaled_residuals(model, x).square().flatten(1).sum(1)


def compute_scaled_residuals(model: Autoencoder, x: Tensor) -> Tensor:
    """Return x - r(x) in the network's units, (N, *input_shape).

    It tells which columns make an example anomalous, and in which direction.
    """
    x = as_float(check_scorable(model, x)).to("cpu", model.scale.dtype)
    model.eval()  # a layer that normalises must use what it learned, not this batch
    return (x - reconstruct_in_chunks(model, x)) / model.scale.cpu()


def check_scorable(model: Autoencoder, x: Tensor) -> Tensor:
    """Return x. DataError where it has another shape, no examples, NaN or infinite values."""
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


# -- the detector and its threshold


@dataclass(frozen=True)
class Detector:
    """A trained model, and the scores of the normal examples that it is calibrated on."""

    model: Autoencoder
    normal_scores: Tensor  # (M,) ascending

    def score(self, x: Tensor) -> Tensor:
        """Return the score of each example x (N, *input_shape), in the data's units: (N,)."""
        return score_anomalies(self.model, x)

    def p_values(self, x: Tensor) -> Tensor:
        """Return conformal p-values (N,) of x (N, *input_shape).

        p(x) = (1 + #{i: s_i >= s(x)}) / (1 + M), the share of normal examples that score as high,
        x itself counted. Where x is normal and the M were not trained on, P(p <= a) <= a (Vovk et
        al., 2005). Examples of the training set score low, which makes p too small.
        """
        return self.p_values_of_scores(self.score(x))

    def p_values_of_scores(self, scores: Tensor) -> Tensor:
        """Return conformal p-values (N,) of scores (N,)."""
        below = torch.searchsorted(self.normal_scores, scores)
        return (1 + len(self.normal_scores) - below) / (1 + len(self.normal_scores))

    def threshold(self, false_alarms: float = 0.05) -> float:
        """Return the score that a new normal example exceeds with this probability.

        The highest known score where there are too few. Of order M + 1, since the new score is
        equally likely to lie in each of the M + 1 gaps.
        """
        check_false_alarm_share(false_alarms)
        return find_threshold(self.normal_scores, false_alarms)

    def false_alarm_interval(
        self, false_alarms: float = 0.05, probability: float = 0.9
    ) -> tuple[float, float]:
        """Return between which shares the false alarms of that threshold lie.

        The fewer normal examples, the wider. The share above the j-th of M scores is
        Beta(M + 1 - j, j), and j = (M + 1) (1 - a) (Vovk, 2012, Conditional validity of inductive
        conformal predictors).
        """
        from scipy.stats import beta

        check_false_alarm_share(false_alarms)
        above = (len(self.normal_scores) + 1) * false_alarms
        distribution = beta(above, len(self.normal_scores) + 1 - above)
        low, high = (1 - probability) / 2, (1 + probability) / 2
        return float(distribution.ppf(low)), float(distribution.ppf(high))


def fit_detector(model: Autoencoder, normal: Tensor) -> Detector:
    """Return a detector of a trained model, calibrated on normal examples (M, *input_shape).

    They should not be those that the model was trained on.
    """
    return Detector(model, score_anomalies(model, normal).sort().values)


def check_false_alarm_share(false_alarms: float) -> None:
    """Raise ConfigError unless the share lies between 0 and 1."""
    if not 0 < false_alarms < 1:
        raise ConfigError(
            f"The share of false alarms must lie between 0 and 1, got {false_alarms}."
        )


def find_threshold(normal_scores: Tensor, false_alarms: float) -> float:
    """Return the quantile 1 - `false_alarms`, of order M + 1, of ascending scores (M,)."""
    scores = normal_scores.double().numpy()
    return float(np.quantile(scores, 1 - false_alarms, method="weibull"))


def draw_calibration_rows(normal: Tensor, seed: int = 0) -> Tensor:
    """Return half of the normal rows, ascending; `normal` is bool (N,).

    The other rows are to be scored, so that none of them has also set the threshold.
    """
    rows = normal.nonzero().flatten()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[: len(rows) // 2]].sort().values


class AverageRates(NamedTuple):
    """Rates at one share of false alarms, over many draws of the rows that set the threshold."""

    false_alarms: float  # share of the normal examples
    recall: float  # share of the anomalies; NaN without any
    draws: int


def average_over_draws(
    scores: Tensor, normal: Tensor, false_alarms: float, draws: int = 100
) -> AverageRates:
    """Return mean rates over many `draw_calibration_rows`: one half can be a lucky one.

    scores (N,), and bool (N,) whether each is normal.
    """
    alarm_shares, recalls = [], []
    for seed in range(draws):
        calibration_rows = draw_calibration_rows(normal, seed)
        rest = normal.index_fill(0, calibration_rows, False)
        threshold = find_threshold(scores[calibration_rows].sort().values, false_alarms)
        alarm_shares.append((scores[rest] > threshold).float().mean())
        recalls.append((scores[~normal] > threshold).float().mean())
    return AverageRates(
        torch.stack(alarm_shares).mean().item(), torch.stack(recalls).mean().item(), draws
    )
