"""An outlier detector with a calibrated threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import OutlierMixin

from aecore.estimator.base import AutoencoderEstimator, Rows
from aecore.model.config import RunConfig
from aecore.tasks.anomaly import (
    DETECTOR_VARIANT,
    check_false_alarm_share,
    fit_detector,
    plan_detector,
    score_anomalies,
)

CALIBRATION_PART = 5  # one row in so many sets the threshold


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    """Finds outliers among rows by their reconstruction error (aecore.tasks.anomaly).

    `false_alarms` is the share of new normal rows that `predict` may call outliers. The threshold
    comes from a fifth of the rows, with a second model that was trained without them: a model
    reconstructs the rows that it was trained on better than new ones. `calibrate=False` uses all
    rows fitted on, in half the time; the threshold then calls far too many rows outliers. As
    everywhere in scikit-learn, a higher score is more normal.
    """

    _fitted_numbers: ClassVar[tuple[str, ...]] = ("offset_",)

    def __init__(
        self,
        variant: str = DETECTOR_VARIANT,
        latent_dim: int | None = None,
        *,
        false_alarms: float = 0.05,
        calibrate: bool = True,
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
        self.false_alarms = false_alarms
        self.calibrate = calibrate

    def _check_parameters(self) -> None:
        check_false_alarm_share(self.false_alarms)

    def _plan(self, path: str, settings: dict[str, Any]) -> RunConfig:
        if self.variant == DETECTOR_VARIANT:
            return plan_detector(path, settings)
        return super()._plan(path, settings)

    def _finish_fit(self, rows: Rows) -> None:
        model, calibration_rows = self.model_, rows
        if self.calibrate:
            order = np.random.default_rng(0).permutation(len(rows))
            count = max(1, len(rows) // CALIBRATION_PART)
            model = self._train(rows[order[count:]])
            calibration_rows = rows[order[:count]]
        detector = fit_detector(model, torch.tensor(calibration_rows))
        self.offset_ = -detector.threshold(self.false_alarms)

    def score_samples(self, X: ArrayLike) -> Rows:
        """Return -|x - r(x)|^2 in the network's units, (N,)."""
        rows = self._check_rows(X)
        return -score_anomalies(self.model_, torch.tensor(rows)).numpy()

    def decision_function(self, X: ArrayLike) -> Rows:
        """Return `score_samples` minus `offset_`, (N,): outliers are below zero."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray[Any, np.dtype[np.int_]]:
        """Return -1 for outliers and 1 for the others, (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
