"""The base of the estimators: their parameters, the training, and saving without pickle."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from aecore.errors import CheckpointError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.names import list_few
from aecore.runs.estimator_state import (
    EstimatorState,
    read_estimator_state,
    refuse_estimator_file,
    write_estimator_state,
)
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.training.trainer import fit

if TYPE_CHECKING:
    import pandas as pd

Rows = np.ndarray[Any, np.dtype[np.floating[Any]]]


class AutoencoderEstimator(BaseEstimator):
    """Base of the estimators.

    Parameters: `variant`, a name of aecore.VARIANTS; `latent_dim` and `epochs`, chosen by the data
    where None; `device`, where to train: auto, cpu, cuda or mps; `random_state`; `settings`, more
    options by dotted path, such as {"network.hidden": (64,)}. After fitting, `model_` is the
    Autoencoder, in double precision and on the CPU.
    """

    _expects_missing: ClassVar[bool] = False  # cells may be NaN, though none is in training
    _fitted_numbers: ClassVar[tuple[str, ...]] = ()  # attributes that `save` writes

    def __init__(
        self,
        variant: str = "vanilla",
        latent_dim: int | None = None,
        *,
        epochs: int | None = None,
        device: str = "auto",
        random_state: Any = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.variant = variant
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.device = device
        self.random_state = random_state
        self.settings = settings

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train on rows X (N, features); ConfigError if a parameter is not possible."""
        rows = self._check_rows(X, is_fitting=True)
        self._check_parameters()
        self.model_ = self._train(rows, self._expects_missing or bool(np.isnan(rows).any()))
        self._finish_fit(rows)
        return self

    def _check_parameters(self) -> None:
        """Raise ConfigError for parameters that are used only after the training."""

    def _finish_fit(self, rows: Rows) -> None:
        """Set what else is learned from the training rows, with `model_`."""

    def _plan(self, path: str, settings: dict[str, Any]) -> RunConfig:
        """Return the run that trains on the rows in a file."""
        return plan_run(self.variant, path, settings=settings)

    def _check_rows(self, X: ArrayLike, is_fitting: bool = False) -> Rows:
        """Return X as floating numbers, NaN where cells are missing; ValueError says what is wrong.

        Later rows may miss cells if training rows did.
        """
        if not is_fitting:
            check_is_fitted(self, "model_")
        check_numeric_columns(X)
        rows = validate_data(
            self,
            X,
            reset=is_fitting,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if is_fitting else 1,
        )
        if not is_fitting and not self.model_.config.missing and np.isnan(rows).any():
            raise ValueError(
                "X contains NaN, and no cell was missing in training. Fit on rows with missing "
                'cells, or with settings={"data.missing": "keep"}.'
            )
        return np.ascontiguousarray(rows)  # a tensor cannot be a view that runs backwards

    def _train(self, rows: Rows, may_miss: bool) -> Autoencoder:
        """Train a model on rows, whose cells may be missing, in a temporary run folder."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npz"
            np.savez(path, x=rows, x_test=rows[:1])  # test figures are not used
            settings = self._training_settings()
            if may_miss:
                settings["data.missing"] = "keep"
            run = create_run(self._plan(str(path), settings), Path(folder) / "run")
            for _ in fit(run):
                pass
            return Autoencoder.load(run.path).double()

    def _training_settings(self) -> dict[str, Any]:
        """Return the options that the parameters imply, by dotted path."""
        settings: dict[str, Any] = {
            "training.device": self.device,
            "training.seed": int(check_random_state(self.random_state).randint(2**31 - 1)),
            "training.previews": 0,
            "data.validation_fraction": 0,  # all rows are for training, as in all of scikit-learn
        }
        if self.latent_dim is not None:
            settings["latent_dim"] = self.latent_dim
        if self.epochs is not None:
            settings["training.epochs"] = self.epochs
        return settings | dict(self.settings or {})

    def save(self, folder: str | Path) -> None:
        """Write the model and estimator.json into `folder`, which is created if missing."""
        check_is_fitted(self, "model_")
        folder = Path(folder)
        copy.deepcopy(self.model_).float().save(folder)  # in the precision of the training
        names = getattr(self, "feature_names_in_", None)
        parameters = self.get_params()
        del parameters["random_state"]
        state = EstimatorState(
            type(self).__name__,
            parameters,
            self.n_features_in_,
            None if names is None else list(names),
            {name: getattr(self, name) for name in self._fitted_numbers},
        )
        write_estimator_state(folder, state)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the estimator that `save` wrote; CheckpointError says what is wrong otherwise."""
        folder = Path(folder)
        state = read_estimator_state(folder, cls.__name__, cls._fitted_numbers)
        try:
            estimator = cls(**state.parameters)
        except TypeError as error:
            raise refuse_estimator_file(folder, error) from error
        estimator.n_features_in_ = state.n_features
        if state.feature_names is not None:
            estimator.feature_names_in_ = np.array(state.feature_names, dtype=object)
        for name, number in state.fitted.items():
            setattr(estimator, name, number)
        estimator.model_ = Autoencoder.load(folder).double()
        input_shape = estimator.model_.config.input_shape
        if input_shape != (state.n_features,):
            raise CheckpointError(
                f"{folder} has an estimator of {state.n_features} columns, but a model of inputs "
                f"{input_shape}. Save the estimator again."
            )
        return estimator

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def check_numeric_columns(X: object) -> None:
    """Raise ValueError for a data frame with columns of words, naming them and the cure."""
    import pandas as pd

    if not isinstance(X, pd.DataFrame):
        return
    wrong = [repr(str(name)) for i, name in enumerate(X.columns) if not _is_numeric(X.iloc[:, i])]
    if wrong:
        raise ValueError(
            f"{list_few(wrong)}: words, dates or flags with gaps, but the "
            "estimator takes numbers. Encode such columns, as one-hot by scikit-learn's "
            "OneHotEncoder in a ColumnTransformer, or leave them out."
        )


def _is_numeric(column: pd.Series) -> bool:
    """Return True for numbers; not for flags with gaps, which would be filled with fractions."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_bool_dtype(column.dtype):
        return not column.isna().any()
    if is_numeric_dtype(column.dtype):
        return True
    if column.dtype != object:
        return False
    try:
        column.astype(float)
    except (ValueError, TypeError):
        return False
    return True
