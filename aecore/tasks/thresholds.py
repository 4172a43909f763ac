"""Thresholds of anomaly scores: from normal examples, or from data that hold anomalies.

With normal examples alone a threshold is the conformal quantile of their scores: it lets on average
the share of false alarms through that was asked for. In contaminated data either somebody knows
which share is odd, or the middle half of the scores tells what is usual.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.errors import ConfigError

Contamination = float | Literal["auto"]
FENCE = 1.5  # of Tukey's box plot, in widths of the box


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


def check_contamination(contamination: Contamination) -> None:
    """Raise ConfigError unless it is "auto" or a share above 0 and up to a half."""
    is_share = not isinstance(contamination, str) and 0 < contamination <= 0.5
    if contamination != "auto" and not is_share:
        raise ConfigError(
            f'contamination must be "auto" or lie between 0 and 0.5, got {contamination!r}.'
        )


def find_outlier_threshold(scores: Tensor, contamination: Contamination = "auto") -> float:
    """Return the score above which examples of a set that holds anomalies are odd.

    scores (N,) are those of the set. With a share, so many of them lie above. With "auto" it is the
    upper fence of Tukey's box plot (1977, Exploratory Data Analysis) of the lengths, that is the
    roots of the scores: the upper quartile and one and a half times the distance between the
    quartiles. Of normal data in 2 to 20 dimensions .4 to 1 % lie beyond; up to a quarter of odd
    rows do not move it far.
    """
    check_contamination(contamination)
    values = scores.double().numpy()
    if isinstance(contamination, str):
        low, high = np.quantile(np.sqrt(values), (0.25, 0.75))
        return float((high + FENCE * (high - low)) ** 2)
    return float(np.quantile(values, 1 - contamination))


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
