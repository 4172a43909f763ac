"""An outlier detector for data that hold what it is to find, or that are clean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import OutlierMixin

from aecore.errors import ConfigError
from aecore.estimator.base import AutoencoderEstimator, Rows
from aecore.model.config import RunConfig
from aecore.model.parts.networks.ensemble import Ensemble
from aecore.tasks.anomaly import (
    DETECTOR_VARIANT,
    plan_detector,
    score_anomalies,
    score_column_anomalies,
)
from aecore.tasks.thresholds import (
    Contamination,
    check_contamination,
    check_false_alarm_share,
    find_outlier_threshold,
    find_threshold,
)

CALIBRATION_PART = 5  # one row in so many sets the threshold of a single network


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    """Finds outliers among rows by how far small networks would move them (aecore.tasks.anomaly).

    The rows fitted on may hold outliers: each is scored by networks that have not seen it, in `fit`
    and later. `contamination` is the share of them that are outliers, in (0, 0.5]; "auto" takes
    those beyond the upper fence of a box plot of the scores. For clean rows give `false_alarms`
    instead, the share of new normal rows that `predict` may call outliers; copies of rows fitted on
    then count as normal. `latent_dim` is the code of one network. As everywhere in scikit-learn, a
    higher score is more normal.

    With another variant or kind of network, which sees all rows, the threshold comes from a fifth
    of them and a second model that was trained without these.
    """

    _fitted_numbers: ClassVar[tuple[str, ...]] = ("offset_",)

    def __init__(
        self,
        variant: str = DETECTOR_VARIANT,
        latent_dim: int | None = None,
        *,
        contamination: Contamination = "auto",
        false_alarms: float | None = None,
        epochs: int | None = None,
        device: str = "auto",
        random_state: Any = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            variant,
            latent_dim,
            epochs=epochs,
            device=device,
            random_state=random_state,
            settings=settings,
        )
        self.contamination = contamination
        self.false_alarms = false_alarms

    def _check_parameters(self) -> None:
        check_contamination(self.contamination)
        if self.false_alarms is None:
            return
        check_false_alarm_share(self.false_alarms)
        if self.contamination != "auto":
            raise ConfigError(
                "contamination is for rows that hold outliers, false_alarms for clean ones: give "
                "one of them."
            )

    def _plan(self, path: str, settings: dict[str, Any]) -> RunConfig:
        if self.variant != DETECTOR_VARIANT:
            return super()._plan(path, settings)
        is_ensemble = settings.get("network.kind", "ensemble") == "ensemble"
        if is_ensemble and self.latent_dim is not None:
            settings = {name: value for name, value in settings.items() if name != "latent_dim"}
            planned = plan_detector(path, settings, is_clean=self._is_clean).model.network
            assert isinstance(planned, Ensemble)
            settings["latent_dim"] = self.latent_dim * planned.members
        return plan_detector(path, settings, is_clean=self._is_clean)

    def _finish_fit(self, rows: Rows) -> None:
        scores = self._score_unseen(rows)
        if self.false_alarms is None:
            threshold = find_outlier_threshold(scores, self.contamination)
        else:
            threshold = find_threshold(scores.sort().values, self.false_alarms)
        self.offset_ = -threshold

    def _score_unseen(self, rows: Rows) -> torch.Tensor:
        """Return scores of training rows by networks that have not seen them, all or a fifth."""
        if isinstance(self.model_.config.network, Ensemble):
            return score_anomalies(self.model_, torch.tensor(rows))
        order = np.random.default_rng(0).permutation(len(rows))
        count = max(1, len(rows) // CALIBRATION_PART)
        model = self._train(rows[order[count:]], self.model_.config.missing)
        return score_anomalies(model, torch.tensor(rows[order[:count]]))

    @property
    def _is_clean(self) -> bool:
        return self.false_alarms is not None

    def score_samples(self, X: ArrayLike) -> Rows:
        """Return minus the score of each row, (N,)."""
        rows = self._check_rows(X)
        return -score_anomalies(self.model_, torch.tensor(rows), self._is_clean).numpy()

    def score_columns(self, X: ArrayLike) -> Rows:
        """Return how much each column adds to the score of each row, (N, columns).

        A row's sum is minus its `score_samples`.
        """
        rows = self._check_rows(X)
        return score_column_anomalies(self.model_, torch.tensor(rows), self._is_clean).numpy()

    def decision_function(self, X: ArrayLike) -> Rows:
        """Return `score_samples` minus `offset_`, (N,): outliers are below zero."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray[Any, np.dtype[np.int_]]:
        """Return -1 for outliers and 1 for the others, (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
