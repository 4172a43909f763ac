"""The scikit-learn face: autoencoders that transform, detect and impute, in pipelines, searches and clones.

Each is trained by the one trainer, in a run folder that is gone afterwards; `save` keeps a folder like any other.
Rows are tables' rows: (N, features), in their own units. Nothing is pickled by `save` and `load`.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    OutlierMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from aecore.analysis.chunks import encode_in_chunks
from aecore.errors import CheckpointError
from aecore.files import write_text_file
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.tasks import anomaly, impute
from aecore.tasks.anomaly import (
    DETECTOR_VARIANT,
    check_false_alarm_share,
    fit_detector,
    score_anomalies,
)
from aecore.tasks.impute import IMPUTER_VARIANT, draw_imputations, impute_cells
from aecore.training.trainer import fit

Rows = np.ndarray[Any, np.dtype[np.floating[Any]]]


STATE_FILE = "estimator.json"
MAX_STATE_BYTES = 10_000_000  # the names of a million columns
DETECTOR_HELD_OUT = 5  # one row in so many sets the threshold


class AutoencoderEstimator(BaseEstimator):
    """What the three share.

    Parameters: `variant`, a name of aecore.VARIANTS; `latent_dim` and `epochs`, by the data where None; `device`, where
    to train: auto, cpu, cuda or mps; `random_state`; `settings`, more options by dotted path, such as
    {"network.hidden": (64,)}. After fitting, `model_` is the Autoencoder, in double precision and on the CPU.
    """

    _holes: ClassVar[bool] = False  # whether cells may be missing
    _task: ClassVar[Any] = None  # the module whose VARIANT and plan are the default
    _kept: ClassVar[tuple[str, ...]] = ()  # fitted numbers that `save` keeps

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
        """Train on rows X (N, features)."""
        x = self._rows(X, fitting=True)
        self._check()
        self.model_ = self._trained(x)
        self._finish(x)
        return self

    def _check(self) -> None:
        """Refuse what would only show after the training."""

    def _finish(self, x: Rows) -> None:
        """What is to be measured once the model is trained."""

    def _plan(self, name: str, settings: dict[str, Any]) -> RunConfig:
        if self._task and self.variant == self._task.VARIANT:
            return self._task.plan(name, settings)
        return plan_run(self.variant, name, settings=settings)

    def _rows(self, X: ArrayLike, fitting: bool = False) -> Rows:
        """X as finite floating numbers; ValueError by scikit-learn says what is wrong."""
        if not fitting:
            check_is_fitted(self, "model_")
        finite = "allow-nan" if self._holes else True
        return validate_data(
            self,
            X,
            reset=fitting,
            dtype=[np.float64, np.float32],
            ensure_all_finite=finite,
            ensure_min_samples=2 if fitting else 1,
        )

    def _trained(self, x: Rows) -> Autoencoder:
        chosen = {"latent_dim": self.latent_dim, "training.epochs": self.epochs}
        settings = {
            "training.device": self.device,
            "training.seed": int(check_random_state(self.random_state).randint(2**31 - 1)),
            "training.previews": 0,
            "data.validation_fraction": 0,  # all rows are trained with, as everywhere in scikit-learn
            **{name: value for name, value in chosen.items() if value is not None},
            **(self.settings or {}),
        }
        if self._holes:
            settings["data.missing"] = "keep"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npz"
            np.savez(path, x=x, x_test=x[:1])  # of the test figures nothing is kept
            run = create_run(self._plan(str(path), settings), Path(folder) / "run")
            for _ in fit(run):
                pass
            return Autoencoder.load(run.path).double()

    # -- on disk

    def save(self, folder: str | Path) -> None:
        """config.json, model.safetensors and estimator.json in `folder`, which is made if need be."""
        check_is_fitted(self, "model_")
        folder = Path(folder)
        copy.deepcopy(self.model_).float().save(folder)  # as it was trained
        names = getattr(self, "feature_names_in_", None)
        state = {
            "estimator": type(self).__name__,
            "parameters": {k: v for k, v in self.get_params().items() if k != "random_state"},
            "n_features_in_": self.n_features_in_,
            "feature_names_in_": None if names is None else list(names),
            **{name: getattr(self, name) for name in self._kept},
        }
        write_text_file(
            folder / STATE_FILE, json.dumps(state, indent=2, default=to_plain_value) + "\n"
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The estimator that `save` wrote. CheckpointError where the folder is unsound or of another kind."""
        path = Path(folder) / STATE_FILE
        try:
            if path.stat().st_size > MAX_STATE_BYTES:
                raise ValueError(f"{path.stat().st_size:,} bytes")
            state = json.loads(path.read_text(encoding="utf-8"))
            if (found := str(state["estimator"])[:80]) != cls.__name__:
                raise CheckpointError(
                    f"{path} holds an {found}, not an {cls.__name__}. Load it with {found}.load."
                )
            self = cls(**state["parameters"])
            self.n_features_in_ = int(state["n_features_in_"])
            for name in cls._kept:
                setattr(self, name, to_finite_rows(state[name]))
            if names := state["feature_names_in_"]:
                if len(names) != self.n_features_in_ or not all(
                    isinstance(name, str) for name in names
                ):
                    raise ValueError("its names are not one a column")
                self.feature_names_in_ = np.array(names, dtype=object)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} is not what save wrote ({error}). Save the estimator again."
            ) from error
        self.model_ = Autoencoder.load(folder).double()
        if self.model_.config.input_shape != (self.n_features_in_,):
            raise CheckpointError(
                f"{path} tells of {self.n_features_in_} columns, its model of other inputs."
            )
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._holes
        return tags


def to_plain_value(value: Any) -> Any:
    """What JSON makes of NumPy's numbers, as a grid search gives them."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be kept as JSON")


def to_finite_rows(value: Any) -> float:
    if not np.isfinite(number := float(value)):
        raise ValueError(f"{value} is not finite")
    return number


class AutoencoderTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator
):
    """Rows to codes and back: `transform`, `inverse_transform`, and as `score` the share of variance kept."""

    def transform(self, X: ArrayLike) -> Rows:
        """Codes (N, latent_dim) of rows X (N, features)."""
        x = self._rows(X)
        return encode_in_chunks(self.model_, torch.tensor(x)).numpy().astype(x.dtype)

    def inverse_transform(self, X: ArrayLike) -> Rows:
        """Rows (N, features) of codes X (N, latent_dim)."""
        check_is_fitted(self, "model_")
        z = check_array(X, dtype=[np.float64, np.float32])
        with torch.no_grad():
            return self.model_.decode(torch.tensor(z).double()).numpy().astype(z.dtype)

    def score(self, X: ArrayLike, y: object = None) -> float:
        """1 - |x - x^|^2 / |x - mean|^2 over all of X, in the network's units: 1 is perfect, 0 no better than the mean.

        For a linear model with scaled columns it is the share of variance that so many components explain.
        """
        x = torch.tensor(self._rows(X)).double()
        with torch.no_grad():
            truth, guess = (self.model_.to_scaled(part) for part in (x, self.model_.reconstruct(x)))
        return 1 - ((truth - guess).square().sum() / (truth - truth.mean(0)).square().sum()).item()

    @property
    def _n_features_out(self) -> int:
        return self.model_.config.latent_dim


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    """Rows that the normal ones do not explain, by how far a denoiser moves them (aecore.tasks.anomaly).

    `false_alarms` is the share of new normal rows that `predict` may call outliers. What a model was trained on
    scores as more normal than what it was not, so the threshold comes from the fifth of the rows that a second
    model, trained without them, gives (`calibrate=False`: from the rows fitted on, in half the time; it is then
    too strict by far). As everywhere in scikit-learn, a higher score is more normal.
    """

    _kept = ("offset_",)
    _task = anomaly

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

    def _check(self) -> None:
        check_false_alarm_share(self.false_alarms)

    def _finish(self, x: Rows) -> None:
        model, rows = self.model_, x
        if self.calibrate:
            order = np.random.default_rng(0).permutation(len(x))
            held = max(1, len(x) // DETECTOR_HELD_OUT)
            model, rows = self._trained(x[order[held:]]), x[order[:held]]
        self.offset_ = -fit_detector(model, torch.tensor(rows)).threshold(self.false_alarms)

    def score_samples(self, X: ArrayLike) -> Rows:
        """-|x - r(x)|^2 in the network's units (N,)."""
        x = self._rows(X)
        return -score_anomalies(self.model_, torch.tensor(x)).numpy()

    def decision_function(self, X: ArrayLike) -> Rows:
        """`score_samples` less `offset_` (N,): below zero is an outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray[Any, np.dtype[np.int_]]:
        """-1 for outliers and 1 for the others (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)


class AutoencoderImputer(OneToOneFeatureMixin, TransformerMixin, AutoencoderEstimator):
    """Missing cells, NaN, filled from the observed ones of the same row (aecore.tasks.impute).

    `n_draws` codes are drawn for each row, and weighted by how well they explain what was observed.
    """

    _holes = True
    _task = impute

    def __init__(
        self,
        variant: str = IMPUTER_VARIANT,
        latent_dim: int | None = None,
        *,
        n_draws: int = 1000,
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

    def transform(self, X: ArrayLike) -> Rows:
        """X (N, features) with its missing cells filled by their mean given the others."""
        x = self._rows(X)
        return (
            impute_cells(self.model_, torch.tensor(x).double(), self.n_draws)
            .numpy()
            .astype(x.dtype)
        )

    def sample(self, X: ArrayLike, count: int = 5) -> Rows:
        """(count, N, features): fillings as likely as any other, for multiple imputation (Rubin, 1987)."""
        x = self._rows(X)
        return (
            draw_imputations(self.model_, torch.tensor(x).double(), count, self.n_draws)
            .numpy()
            .astype(x.dtype)
        )
