"""An imputer of missing cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from aecore.analysis.imputation import draw_imputations, impute_cells
from aecore.analysis.intervals import predict_interval
from aecore.estimator.base import AutoencoderEstimator, Rows
from aecore.model.config import RunConfig
from aecore.tasks.impute import IMPUTER_VARIANT, count_draws, plan_imputer


class AutoencoderImputer(OneToOneFeatureMixin, TransformerMixin, AutoencoderEstimator):
    """Fills missing cells, NaN, from the observed ones of the same row (aecore.tasks.impute).

    `n_draws` codes are drawn for each row, and weighted by the likelihood of the observed cells;
    without a number 1,000, and fewer where rows are many.
    """

    _expects_missing: ClassVar[bool] = True

    def __init__(
        self,
        variant: str = IMPUTER_VARIANT,
        latent_dim: int | None = None,
        *,
        n_draws: int | None = None,
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
        self.n_draws = n_draws

    def _plan(self, path: str, settings: dict[str, Any]) -> RunConfig:
        if self.variant == IMPUTER_VARIANT:
            return plan_imputer(path, settings)
        return super()._plan(path, settings)

    def transform(self, X: ArrayLike) -> Rows:
        """Return X (N, features) with missing cells filled by their mean given the others."""
        rows = self._check_rows(X)
        draws = self.n_draws or count_draws(len(rows))
        filled = impute_cells(self.model_, torch.tensor(rows).double(), draws)
        return filled.numpy().astype(rows.dtype)

    def sample(self, X: ArrayLike, count: int = 5) -> Rows:
        """Draw `count` imputations of X, for multiple imputation: (count, N, features).

        Rubin (1987), Multiple Imputation for Nonresponse in Surveys.
        """
        rows = self._check_rows(X)
        draws = self.n_draws or count_draws(len(rows))
        filled = draw_imputations(self.model_, torch.tensor(rows).double(), count, draws)
        return filled.numpy().astype(rows.dtype)

    def find_intervals(self, X: ArrayLike, share: float = 0.9) -> tuple[Rows, Rows]:
        """Return between what values that share of the missing cells lies, each (N, features).

        Both ends of a known cell are the cell. They are calibrated on cells held out of a
        training, `settings={"calibration": 0.25}` (aecore.analysis.intervals); of a table of up to
        1,000 rows of that of two copies, without which (0) fitting takes a third of the time.
        """
        rows = self._check_rows(X)
        draws = self.n_draws or count_draws(2 * len(rows))
        low, high = predict_interval(self.model_, torch.tensor(rows).double(), share, draws=draws)
        return low.numpy().astype(rows.dtype), high.numpy().astype(rows.dtype)
