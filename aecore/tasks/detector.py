"""The detector: a trained model with a threshold from normal examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import AnomalyScore
from aecore.tasks.anomaly import score_anomalies
from aecore.tasks.thresholds import check_false_alarm_share, find_threshold


@dataclass(frozen=True)
class Detector:
    """A trained model, and the scores of the normal examples that it is calibrated on."""

    model: Autoencoder
    normal_scores: Tensor  # (M,) ascending
    kind: AnomalyScore | None = None  # of the scores; None: the model's own

    def score(self, x: Tensor) -> Tensor:
        """Return the score of each example x (N, *input_shape), in the data's units: (N,)."""
        return score_anomalies(self.model, x, kind=self.kind)

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


def fit_detector(model: Autoencoder, normal: Tensor, kind: AnomalyScore | None = None) -> Detector:
    """Return a detector of a trained model, calibrated on normal examples (M, *input_shape).

    They should not be those that the model was trained on. Pictures can be scored by another kind
    than the model's own.
    """
    return Detector(model, score_anomalies(model, normal, kind=kind).sort().values, kind)
