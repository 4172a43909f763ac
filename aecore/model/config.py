"""Configuration: everything that makes a run what it is, checked, as JSON both ways."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from aecore.errors import ConfigError
from aecore.model.parts.base import Options
from aecore.model.parts.bottleneck import BottleneckOptions, Deterministic, VectorQuantized
from aecore.model.parts.corruption import Corruption
from aecore.model.parts.likelihood import Gaussian, LikelihoodOptions
from aecore.model.parts.networks import Conv, Mlp, Network
from aecore.model.parts.penalties import (
    BOUNDED,
    Contractive,
    KlSparsity,
    Penalty,
    explain_unbounded_units,
)

VERSION = "0.1.0"
MAX_PARAMETERS = (
    100_000_000  # 400 MB of weights: beyond a laptop's training, and a bound for strangers' configs
)
MAX_FEATURES = (
    10_000_000  # values in one example: convolutions need few weights for a picture of any size
)


Side = Annotated[int, Field(ge=1, le=1_000_000)]


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
        description="Cells of a table may be missing (NaN): their column's mean to the encoder, no loss.",
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
        if len(self.input_shape) == 2:
            raise ValueError("input_shape must be (features,) or (channels, height, width)")
        if isinstance(self.network, Conv) and len(self.input_shape) != 3:
            raise ValueError(
                f"a convolutional network needs images (channels, height, width), got {self.input_shape[0]} columns;"
                " use a variant with fully connected layers, such as vanilla or vae"
            )
        if isinstance(self.bottleneck, VectorQuantized) and self.latent_dim % self.bottleneck.dim:
            raise ValueError(
                f"latent_dim {self.latent_dim} must be a multiple of bottleneck.dim {self.bottleneck.dim}"
            )
        if self.likelihood.kind == "bernoulli" and self.scaling == "standard":
            raise ValueError(
                "a cross-entropy needs values between 0 and 1: use scaling minmax, or the gaussian likelihood"
            )
        if self.missing and self.scaling != "standard":
            raise ValueError(
                "cells may be missing in tables only, and with scaling standard, where zero is the mean"
            )
        if self.likelihood.outputs > 1 and (
            len(self.input_shape) > 1 or getattr(self.network, "tied", False)
        ):
            raise ValueError(
                f"a {self.likelihood.kind} likelihood is for tables, and for networks that are not tied"
            )
        self.check_penalties()
        self.check_budget()
        return self

    def check_penalties(self) -> None:
        """A penalty needs layers that exist, and a sparsity target units that can meet it."""
        hidden = len(
            self.network.hidden if isinstance(self.network, Mlp) else self.network.channels
        )
        kinds = [self.network.activation] * hidden + [self.network.code_activation]
        for penalty in self.penalties:
            for i in getattr(penalty, "layers", ()):
                if not -len(kinds) <= i < len(kinds):
                    raise ValueError(
                        f"{penalty.kind}: the encoder has {len(kinds)} layers, got layer {i}"
                    )
                if isinstance(penalty, KlSparsity) and kinds[i] not in BOUNDED:
                    raise ValueError(explain_unbounded_units(kinds[i]))
            if isinstance(penalty, Contractive) and penalty.method == "closed_form" and hidden:
                raise ValueError(
                    "contractive: the closed form is for an encoder without hidden layers"
                )
            if (
                isinstance(penalty, Contractive)
                and getattr(self.network, "norm", "none") == "batch"
            ):
                raise ValueError(
                    "contractive: an example's Jacobian must not depend on the batch; use norm layer"
                )

    def check_budget(self) -> None:
        if (count := self.weights()) > MAX_PARAMETERS:
            raise ValueError(
                f"the model would have {count:,} weights; the limit is {MAX_PARAMETERS:,}"
            )
        if self.features > MAX_FEATURES:
            raise ValueError(
                f"one example would have {self.features:,} values; the limit is {MAX_FEATURES:,}"
            )

    def weights(self) -> int:
        """About how many weights the networks have, counted without building them."""
        features = math.prod(self.input_shape)
        d = self.latent_dim * (2 if self.bottleneck.kind == "gaussian" else 1)
        book = (
            self.bottleneck.codes * self.bottleneck.dim
            if isinstance(self.bottleneck, VectorQuantized)
            else 0
        )
        if isinstance(self.network, Mlp):
            widths = [features, *self.network.hidden, d]
            return 2 * sum(a * b for a, b in pairwise(widths)) + book
        channels = [self.input_shape[0], *self.network.channels]
        sides = [math.ceil(side / 2 ** len(self.network.channels)) for side in self.input_shape[1:]]
        convolutions = sum(9 * a * b for a, b in pairwise(channels))
        return 2 * (convolutions + channels[-1] * math.prod(sides) * d) + book

    @property
    def features(self) -> int:
        """Values in one example."""
        return math.prod(self.input_shape)

    @property
    def has_prior(self) -> bool:
        """True where codes are trained towards N(0, I), so that sampling from it makes sense."""
        return self.bottleneck.kind == "gaussian" or any(p.kind == "mmd" for p in self.penalties)


class DataConfig(Options):
    """Which examples, and how they are divided."""

    name: str = Field(
        "digits", min_length=1, max_length=4096, description="A data set's name, or a path."
    )
    label: str | None = Field(
        None, max_length=256, description="Table column that holds the class; never an input."
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="Held out where the set has no test split of its own."
    )
    validation_fraction: float = Field(
        0.05, ge=0, lt=1, description="Share of the training examples that choose the best epoch."
    )
    missing: Literal["refuse", "keep"] = Field(
        "refuse",
        description="Missing cells of a table: refused, or kept for the model to leave out of its loss.",
    )
    unusable: Literal["refuse", "leave_out"] = Field(
        "refuse",
        description="What cannot be read as it is, an odd file among images or a column of words: refused; or left out "
        "with a note, and words of few kinds become a column each.",
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
    limit: int | None = Field(
        None, ge=2, description="Use at most this many training and test examples."
    )
    binarise: Literal["none", "static", "dynamic"] = Field(
        "none",
        description="Draw each pixel as 0 or 1, its grey value the chance: once, or afresh at every training step.",
    )


class TrainConfig(Options):
    """How the weights are found."""

    epochs: int = Field(10, ge=1, le=100_000, description="Passes over the training data.")
    batch_size: int = Field(128, ge=1, le=65536, description="Examples a step.")
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="sgd has momentum.")
    lr: float = Field(2e-3, gt=0, le=100, description="Learning rate.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd.")
    weight_decay: float = Field(0.0, ge=0, le=10, description="Weight decay.")
    schedule: Literal["constant", "cosine", "step"] = Field(
        "cosine",
        description="cosine: to zero at the end; step: a tenth at half and three quarters of the epochs.",
    )
    warmup_steps: int = Field(
        0, ge=0, le=1_000_000, description="Steps in which the learning rate rises from zero."
    )
    kl_warmup_epochs: int = Field(
        0, ge=0, le=100_000, description="Epochs in which the KL term fades in."
    )
    early_stopping: int = Field(
        0, ge=0, le=100_000, description="Stop after so many epochs without gain; 0 never."
    )
    pretrain_epochs: int = Field(
        0, ge=0, le=10_000, description="Epochs of greedy pretraining for each layer."
    )
    previews: int = Field(
        20, ge=0, le=1000, description="At about how many epochs reconstructions are kept."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="bfloat16: layers multiply in half precision, up to twice as fast; losses do not.",
    )
    seed: int = Field(0, ge=0, le=2**31, description="Seed of weights, batches and noise.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")


class RunConfig(Options):
    """config.json: a model, and how it came to be where that is known."""

    model: ModelConfig
    data: DataConfig | None = None
    training: TrainConfig | None = None
    sweep: str = Field("", max_length=64, description="The sweep that the run belongs to.")
    aecore_version: str = Field(VERSION, max_length=32)

    @model_validator(mode="after")
    def check(self) -> RunConfig:
        if self.data and self.data.missing == "keep" and not self.model.missing:
            raise ValueError(
                "data.missing keep needs a model that allows for it: set missing to true"
            )
        if (
            self.training
            and self.training.pretrain_epochs
            and not isinstance(self.model.network, Mlp)
        ):
            raise ValueError(
                "layer-wise pretraining is for fully connected networks; set pretrain_epochs to 0"
            )
        if self.training and self.training.pretrain_epochs and self.model.missing:
            raise ValueError(
                "layer-wise pretraining needs whole examples; set pretrain_epochs to 0"
            )
        return self


def parse_options(kind: type[Options], values: Any) -> Any:
    """An options object from plain values; ConfigError names the field, what it got and the bound."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error)) from error


def describe_validation_error(error: ValidationError) -> str:
    """The first complaint of a validation, as one sentence, however long a stranger's words in it are."""
    first = error.errors()[0]
    where = format_option_path(first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{where}: {what}." if where else f"{what[0].upper()}{what[1:]}".rstrip(".") + "."
    if first["type"] == "extra_forbidden":
        return f"There is no option {where}."
    return f"{where}: {what[0].lower()}{what[1:300]}, got {shorten_text(repr(first['input']))}."


def format_option_path(loc: tuple[int | str, ...]) -> str:
    """Where a validation failed, as `--set` takes it: without list positions and the kinds of parts."""
    names = [shorten_text(str(part)) for part in loc if isinstance(part, str)]
    parts = ("corruption", "network", "bottleneck", "likelihood")
    return ".".join(name for i, name in enumerate(names) if i == 0 or names[i - 1] not in parts)


def shorten_text(text: str) -> str:
    """At most 80 characters, and none that cannot be printed."""
    printable = text.encode("utf-8", "backslashreplace").decode()
    return printable if len(printable) <= 80 else f"{printable[:77]}..."
