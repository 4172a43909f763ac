"""Configuration: what defines a run, validated, as JSON both ways."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from aecore.errors import ConfigError
from aecore.model.data_config import MAX_CHANNELS, DataConfig
from aecore.model.parts.base import CodeGrid, Options
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.bottlenecks.deterministic import Deterministic
from aecore.model.parts.corruption import Corruption
from aecore.model.parts.index_prior import IndexPrior
from aecore.model.parts.likelihoods import LikelihoodOptions
from aecore.model.parts.likelihoods.gaussian import Gaussian
from aecore.model.parts.networks import Network
from aecore.model.parts.networks.mlp import Mlp
from aecore.model.parts.penalties import Penalty
from aecore.model.training import TrainConfig
from aecore.model.validation import describe_validation_error

__all__ = [
    "VERSION",
    "DataConfig",
    "ModelConfig",
    "RunConfig",
    "TrainConfig",
    "describe_validation_error",
    "parse_options",
]

VERSION = "0.1.0"
MAX_PARAMETERS = 100_000_000  # 400 MB of weights; a bound for configs from elsewhere
MAX_FEATURES = 4_000_000  # values in one example: a picture of 1,024 pixels a side, in colour

Side = Annotated[int, Field(ge=1, le=1_000_000)]
AnomalyScore = Literal["error", "relative", "region"]
OptionsT = TypeVar("OptionsT", bound=Options)


class ModelConfig(Options):
    """The five parts and the sizes between them."""

    variant: str = Field(
        "vanilla", max_length=64, description="The named combination that this began as."
    )
    input_shape: tuple[Side, ...] = Field(
        min_length=1, max_length=3, description="Shape of one example."
    )
    latent_dim: int = Field(
        32,
        ge=1,
        le=16384,
        description="Number of values in the code z. Fewer compress more and lose more detail.",
    )
    scaling: Literal["none", "standard", "minmax"] = Field(
        "none",
        description="How columns of a table are scaled: not at all, to unit variance, or to the "
        "range 0 to 1.",
    )
    clip: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Largest scaled value: those farther from zero count as this far, so that "
        "outliers do not dominate the loss.",
    )
    missing: bool = Field(
        False,
        title="Accepts missing cells",
        description="Missing cells (NaN) are their column's mean to the encoder, not in the loss.",
    )
    calibration: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the known cells of a table that is held out from training, to "
        "calibrate the prediction intervals of missing cells.",
    )
    anomaly_score: AnomalyScore = Field(
        "error",
        description="Score of pictures in detection. error: squared error. relative: the same, as "
        "a share of the picture's detail. region: that of the worst region.",
    )
    corruption: Corruption | None = Field(
        None, description="Noise that is added to the input in training, for the model to remove."
    )
    network: Network = Field(
        default_factory=Mlp, description="Layers of the encoder; the decoder mirrors them."
    )
    bottleneck: BottleneckOptions = Field(
        default_factory=Deterministic, description="How the code is made from the encoder's output."
    )
    penalties: tuple[Penalty, ...] = Field(
        (), max_length=8, description="Terms added to the loss, for example for sparse codes."
    )
    likelihood: LikelihoodOptions = Field(
        default_factory=Gaussian,
        description="Reconstruction loss: the distribution of the input, given the code.",
    )
    prior: IndexPrior | None = Field(
        None,
        description="Prior of a discrete code, learned after the model: to sample from, and to "
        "compress by.",
    )

    @model_validator(mode="after")
    def check(self) -> ModelConfig:
        """Raise ValueError if the parts do not fit each other, or the model would be too large."""
        if len(self.input_shape) == 2:
            raise ValueError("input_shape must be (features,) or (channels, height, width)")
        if len(self.input_shape) == 3 and self.input_shape[0] > MAX_CHANNELS:
            raise ValueError(
                f"images have at most {MAX_CHANNELS} channels, got {self.input_shape[0]}"
            )
        if self.anomaly_score != "error" and len(self.input_shape) != 3:
            raise ValueError(
                "rows of a table are scored by their error: set anomaly_score to error"
            )
        self.network.check_input_shape(self.input_shape)
        self.bottleneck.check_latent_dim(self.latent_dim)
        self.check_auxiliary_loss()
        is_plain = self.bottleneck.kind == "deterministic" and not self.penalties
        self.network.check_code(self.input_shape, self.latent_dim, is_plain)
        self.check_path()
        self.check_scaling()
        self.check_calibration()
        self.check_likelihood()
        if self.prior is not None:
            self.prior.check_indices(self.bottleneck.index_shape(self.latent_dim))
        for penalty in self.penalties:
            penalty.check_network(self.network)
        self.check_budget()
        return self

    def check_path(self) -> None:
        """Raise ValueError if there is a linear path beside parts that cannot have one."""
        obstacle = self.explain_no_path()
        if self.network.has_linear_path and obstacle:
            raise ValueError(
                "a linear path is for fully connected and residual networks with a linear code, "
                f"plain or Gaussian; these parts have {obstacle}: set network.linear_path to false"
            )

    def explain_no_path(self) -> str | None:
        """Return what of these parts forbids a linear path, such as "a sigmoid code"; else None."""
        if not self.bottleneck.allows_path:
            return f"a bottleneck of kind {self.bottleneck.kind}"
        if self.bottleneck.path_needs_grid and self.code_grid is None:
            return f"a dense code of a bottleneck of kind {self.bottleneck.kind}"
        for penalty in self.penalties:
            if not penalty.allows_path:
                return f"a {penalty.kind} penalty"
        return self.network.explain_no_path()

    def check_scaling(self) -> None:
        """Raise ValueError if likelihood or missing cells need another scaling."""
        if self.likelihood.needs_unit_interval and self.scaling == "standard":
            raise ValueError(
                f"a {self.likelihood.kind} likelihood needs values between 0 and 1: "
                "use scaling minmax, or the gaussian likelihood"
            )
        if self.missing and self.scaling != "standard":
            raise ValueError(
                "cells may be missing in tables only, and with scaling standard, "
                "where zero is the mean: fill them, or choose another variant"
            )

    def check_auxiliary_loss(self) -> None:
        """Raise ValueError if the codes of dead units would spoil the decoder's statistics."""
        if self.bottleneck.auxiliary_weight and self.network.uses_batch_norm:
            raise ValueError(
                "the auxiliary loss decodes dead units alone, which batch normalisation would "
                "count as examples: set bottleneck.auxiliary to 0, or network.norm to layer"
            )

    def check_calibration(self) -> None:
        """Raise ValueError if there can be no intervals of missing cells to calibrate."""
        if self.calibration and not (self.missing and self.bottleneck.is_variational):
            raise ValueError(
                "calibration is of the intervals of missing cells, which models with missing cells "
                "and a variational bottleneck have: set calibration to 0"
            )

    def check_likelihood(self) -> None:
        """Raise ValueError if the likelihood is for other data, or for decoders of another kind."""
        options, is_image = self.likelihood, len(self.input_shape) > 1
        is_for_data = options.takes_pictures if is_image else options.takes_tables
        if not is_for_data or (self.network.is_tied and not options.allows_tied):
            data = "tables" if options.takes_tables else "pictures"
            raise ValueError(
                f"a {options.kind} likelihood is for {data}, and for networks that are not tied"
            )
        options.check_features(self.features)

    def check_budget(self) -> None:
        """Raise ValueError if the model would need too much memory."""
        weights = self.count_weights()
        if weights > MAX_PARAMETERS:
            raise ValueError(
                f"the model would have {weights:,} weights; the limit is {MAX_PARAMETERS:,}"
            )
        if self.features > MAX_FEATURES:
            raise ValueError(
                f"one example would have {self.features:,} values; the limit is {MAX_FEATURES:,}"
            )

    def count_weights(self) -> int:
        """Return about how many weights the model has, counted without building it."""
        outputs = self.latent_dim * self.bottleneck.values_per_unit
        in_networks = self.network.count_weights(self.input_shape, outputs)
        in_output = self.network.count_output_weights(self.input_shape, self.latent_dim)
        more_output = in_output * (self.count_logits() - self.features) // self.features
        in_code = self.bottleneck.count_weights(self.latent_dim, self.code_grid)
        if self.prior:
            in_code += self.prior.count_weights(self.bottleneck.index_shape(self.latent_dim))
        return in_networks + more_output + in_code

    def count_logits(self) -> int:
        """Return how many values the decoder gives for one example."""
        return self.likelihood.count_logits(self.features, self.input_shape[0])

    @property
    def features(self) -> int:
        """Values in one example."""
        return math.prod(self.input_shape)

    @property
    def code_grid(self) -> CodeGrid | None:
        """Channels, height and width of a code that lies on a grid; None for a dense one."""
        return self.network.find_code_grid(self.input_shape, self.latent_dim)

    @property
    def column_slices(self) -> tuple[slice, ...]:
        """The features of each column of a table, as far as the likelihood knows."""
        return self.likelihood.list_slices(self.features)

    @property
    def word_slices(self) -> tuple[slice, ...]:
        """The features of each column of words or flags, as far as the likelihood knows."""
        kinds = self.likelihood.list_kinds(self.features)
        pairs = zip(self.column_slices, kinds, strict=True)
        return tuple(part for part, kind in pairs if kind in ("category", "boolean"))

    @property
    def has_prior(self) -> bool:
        """True where codes are trained towards N(0, I), so that sampling from it makes sense."""
        if self.network.is_pretrained:  # their KL had a weight of a millionth, if any
            return False
        return self.bottleneck.is_variational or any(p.matches_prior for p in self.penalties)


class RunConfig(Options):
    """config.json: a model, and how it came to be where that is known."""

    model: ModelConfig
    data: DataConfig | None = None
    training: TrainConfig | None = None
    sweep: str = Field("", max_length=64, description="The sweep that the run belongs to.")
    aecore_version: str = Field(VERSION, max_length=32)

    @model_validator(mode="before")
    @classmethod
    def keep_old_side(cls, values: Any) -> Any:
        """Leave images as they are where a config was written before `data.side` existed."""
        if isinstance(values, dict) and isinstance(values.get("data"), dict):
            return {**values, "data": {"side": None, **values["data"]}}
        return values

    @model_validator(mode="after")
    def check(self) -> RunConfig:
        """Raise ValueError if data and training do not fit the model."""
        if self.training:
            self.training.check_augment(self.model.input_shape)
            self.training.check_network(self.model.network, self.model.missing)
        return self


def parse_options(option_class: type[OptionsT], values: Any) -> OptionsT:
    """Return an options object made of plain values.

    Raises ConfigError, which names the first wrong field, what it got and the bound.
    """
    try:
        return option_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error)) from error
