"""Configuration: what defines a run, validated, as JSON both ways."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from aecore.errors import ConfigError
from aecore.model.columns import ColumnOptions
from aecore.model.parts.base import Options
from aecore.model.parts.bottlenecks import BottleneckOptions
from aecore.model.parts.bottlenecks.deterministic import Deterministic
from aecore.model.parts.corruption import Corruption
from aecore.model.parts.likelihood import Gaussian, LikelihoodOptions
from aecore.model.parts.networks import Network
from aecore.model.parts.networks.mlp import Mlp
from aecore.model.parts.penalties import Penalty
from aecore.model.training import TrainConfig

VERSION = "0.1.0"
MAX_PARAMETERS = 100_000_000  # 400 MB of weights; a bound for configs from elsewhere
MAX_FEATURES = 10_000_000  # values in one example; convolutions need few weights for large pictures

Side = Annotated[int, Field(ge=1, le=1_000_000)]
ColumnName = Annotated[str, StringConstraints(max_length=1000)]
OptionsT = TypeVar("OptionsT", bound=Options)


class ModelConfig(Options):
    """The five parts and the sizes between them."""

    variant: str = Field(
        "vanilla", max_length=64, description="The named combination that this began as."
    )
    input_shape: tuple[Side, ...] = Field(
        min_length=1, max_length=3, description="Shape of one example."
    )
    latent_dim: int = Field(32, ge=1, le=16384, description="Size of the code z.")
    scaling: Literal["none", "standard", "minmax"] = Field(
        "none",
        description="How columns are scaled on their way in: not, to unit variance, or to 0..1.",
    )
    missing: bool = Field(
        False,
        description="Cells of a table may be missing (NaN): their column's mean to the encoder, "
        "no loss.",
    )
    corruption: Corruption | None = Field(
        None, description="What is done to the input in training."
    )
    network: Network = Field(default_factory=Mlp, description="Encoder and decoder.")
    bottleneck: BottleneckOptions = Field(
        default_factory=Deterministic, description="How the code is made."
    )
    penalties: tuple[Penalty, ...] = Field((), max_length=8, description="Terms added to the loss.")
    likelihood: LikelihoodOptions = Field(
        default_factory=Gaussian, description="The reconstruction loss."
    )

    @model_validator(mode="after")
    def check(self) -> ModelConfig:
        """Raise ValueError if the parts do not fit each other, or the model would be too large."""
        if len(self.input_shape) == 2:
            raise ValueError("input_shape must be (features,) or (channels, height, width)")
        self.network.check_input_shape(self.input_shape)
        self.bottleneck.check_latent_dim(self.latent_dim)
        self.check_scaling()
        self.check_likelihood()
        for penalty in self.penalties:
            penalty.check_network(self.network)
        self.check_budget()
        return self

    def check_scaling(self) -> None:
        """Raise ValueError if likelihood or missing cells need another scaling."""
        if self.likelihood.needs_unit_interval and self.scaling == "standard":
            raise ValueError(
                "a cross-entropy needs values between 0 and 1: "
                "use scaling minmax, or the gaussian likelihood"
            )
        if self.missing and self.scaling != "standard":
            raise ValueError(
                "cells may be missing in tables only, and with scaling standard, "
                "where zero is the mean"
            )

    def check_likelihood(self) -> None:
        """Raise ValueError if the decoder cannot give several values for each feature."""
        is_image = len(self.input_shape) > 1
        if self.likelihood.values_per_feature > 1 and (is_image or self.network.is_tied):
            raise ValueError(
                f"a {self.likelihood.kind} likelihood is for tables, "
                "and for networks that are not tied"
            )

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
        return in_networks + self.bottleneck.count_weights()

    @property
    def features(self) -> int:
        """Values in one example."""
        return math.prod(self.input_shape)

    @property
    def has_prior(self) -> bool:
        """True where codes are trained towards N(0, I), so that sampling from it makes sense."""
        return self.bottleneck.is_variational or any(p.matches_prior for p in self.penalties)


class DataConfig(Options):
    """Which examples, and how they are divided."""

    name: str = Field(
        "digits", min_length=1, max_length=4096, description="A data set's name, or a path."
    )
    label: str | None = Field(
        None, max_length=256, description="Table column that holds the class; never an input."
    )
    columns: dict[ColumnName, ColumnOptions] = Field(
        {},
        max_length=100_000,
        description="How columns of a table are read, by their names: number, category, date ...",
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="Held out where the set has no test split of its own."
    )
    validation_fraction: float = Field(
        0.05, ge=0, lt=1, description="Share of the training examples that choose the best epoch."
    )
    missing: Literal["refuse", "keep"] = Field(
        "refuse",
        description="Missing cells of a table: refused, or kept for the model to leave out of its "
        "loss.",
    )
    unusable: Literal["refuse", "leave_out"] = Field(
        "refuse",
        description="What cannot be read as it is, an odd file among images or a column of words: "
        "refused; or left out with a note, and words of few kinds become a column each.",
    )
    side: int | None = Field(
        None,
        ge=4,
        le=1024,
        description="Images of a folder or .zip are cropped to a square and resized to this.",
    )
    train_class: str | None = Field(
        None,
        max_length=256,
        description="Train with this class alone, the normal one; the test set keeps all.",
    )
    split_seed: int = Field(0, ge=0, le=2**31, description="Seed of the divisions.")
    split_by: str | None = Field(
        None,
        max_length=1000,
        description="A column of a table, or an array of a .npz, such as a person or a day: "
        "examples that share its value stay on one side of every division.",
    )
    limit: int | None = Field(
        None, ge=2, description="Use at most this many training and test examples."
    )
    binarise: Literal["none", "static", "dynamic"] = Field(
        "none",
        description="Draw each pixel as 0 or 1, its grey value the chance: once, or afresh at "
        "every training step.",
    )

    @field_validator("columns", mode="before")
    @classmethod
    def name_kinds(cls, columns: Any) -> Any:
        """Let a kind alone stand for its options: `{"age": "number"}`."""
        if not isinstance(columns, dict):
            return columns
        return {
            name: {"kind": options} if isinstance(options, str) else options
            for name, options in columns.items()
        }


class RunConfig(Options):
    """config.json: a model, and how it came to be where that is known."""

    model: ModelConfig
    data: DataConfig | None = None
    training: TrainConfig | None = None
    sweep: str = Field("", max_length=64, description="The sweep that the run belongs to.")
    aecore_version: str = Field(VERSION, max_length=32)

    @model_validator(mode="after")
    def check(self) -> RunConfig:
        """Raise ValueError if data and training do not fit the model."""
        if self.data and self.data.missing == "keep" and not self.model.missing:
            raise ValueError(
                "data.missing keep needs a model that allows for it: set missing to true"
            )
        if self.training and self.training.pretrain_epochs:
            self.check_pretraining()
        if self.training:
            self.training.check_augment(self.model.input_shape)
        return self

    def check_pretraining(self) -> None:
        """Raise ValueError if the model's layers cannot be trained one by one."""
        if not self.model.network.can_pretrain:
            raise ValueError(
                "layer-wise pretraining is for fully connected networks; set pretrain_epochs to 0"
            )
        if self.model.missing:
            raise ValueError(
                "layer-wise pretraining needs whole examples; set pretrain_epochs to 0"
            )


def parse_options(option_class: type[OptionsT], values: Any) -> OptionsT:
    """Return an options object made of plain values.

    Raises ConfigError, which names the first wrong field, what it got and the bound.
    """
    try:
        return option_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error)) from error


def describe_validation_error(error: ValidationError) -> str:
    """Return the first complaint of a validation as one sentence, of bounded length."""
    complaint = error.errors()[0]
    path, message = format_option_path(complaint["loc"]), complaint["msg"]
    if complaint["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        if path:
            return f"{path}: {message}."
        return f"{message[0].upper()}{message[1:]}".rstrip(".") + "."
    if complaint["type"] == "extra_forbidden":
        return f"There is no option {path}."
    value = shorten_text(repr(complaint["input"]))
    return f"{path}: {message[0].lower()}{message[1:300]}, got {value}."


def format_option_path(loc: tuple[int | str, ...]) -> str:
    """Return the path of a failed field as `--set` takes it.

    It has no positions in lists, and no kinds of parts, which pydantic adds.
    """
    names = [shorten_text(str(name)) for name in loc if isinstance(name, str)]
    parts = ("corruption", "network", "bottleneck", "likelihood")
    return ".".join(name for i, name in enumerate(names) if i == 0 or names[i - 1] not in parts)


def shorten_text(text: str) -> str:
    """Return at most 80 characters of a text, with those escaped that cannot be printed."""
    printable = text.encode("utf-8", "backslashreplace").decode()
    return printable if len(printable) <= 80 else f"{printable[:77]}..."
