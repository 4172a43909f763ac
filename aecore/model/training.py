"""The options of training: how the weights of a model are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator

from aecore.model.parts.base import LIVE, Options

if TYPE_CHECKING:
    from aecore.model.parts.networks.base import NetworkBase

Augmentation = Literal["flip", "shift", "rotation", "crop", "colour"]


class TrainConfig(Options):
    """How the weights are found."""

    epochs: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Number of epochs; an epoch is one or more passes over the training examples.",
    )
    passes: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Passes over the training examples per epoch. More where there are few "
        "examples, since each epoch is written to the disk.",
    )
    batch_size: int = Field(128, ge=1, le=65536, description="Examples per step.")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam",
        description="Update rule of the weights; sgd is stochastic gradient descent with momentum.",
    )
    lr: float = Field(
        2e-3,
        gt=0,
        le=100,
        description="Size of the steps. Too large diverges, too small is slow.",
        json_schema_extra=LIVE,
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, description="Share of the last update that is kept in the next one."
    )
    weight_decay: float = Field(
        0.0, ge=0, le=10, description="Shrinks the weights at each step, against overfitting."
    )
    schedule: Literal["constant", "cosine", "step"] = Field(
        "cosine",
        description="How the learning rate changes. cosine: falls to zero at the end; step: "
        "divided by ten after half and three quarters of the epochs.",
    )
    averaged: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the epochs, the last ones, whose weights are averaged in the end: "
        "a smoother model of few examples. 0: the best epoch is kept.",
    )
    warmup_steps: int = Field(
        0, ge=0, le=1_000_000, description="Steps over which the learning rate rises from zero."
    )
    kl_warmup_epochs: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Epochs over which the weight of the KL term rises from zero, against "
        "posterior collapse.",
    )
    early_stopping: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Stop after this many epochs without a lower validation loss; 0 trains to the "
        "end.",
    )
    pretrain_epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Epochs of greedy layer-wise pretraining for each layer; 0 for none.",
    )
    previews: int = Field(
        20, ge=0, le=1000, description="About how many epochs keep reconstructions to look at."
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="bfloat16 multiplies in half precision, up to twice as fast; losses stay in "
        "float32. auto: bfloat16 where the device has instructions for it.",
    )
    augment: tuple[Augmentation, ...] = Field(
        (),
        max_length=5,
        description="Pictures are changed afresh at every step: flip (left and right), shift (by "
        "up to a tenth of a side), rotation (by up to 15 degrees), crop (to 60 to 100 % of the "
        "area, made full size again), colour (brightness and contrast by up to a fifth, saturation "
        "and hue of colour pictures). The model is to reconstruct the changed picture.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31,
        description="Seed of the initial weights, the order of the batches and the noise.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")

    @field_validator("augment", mode="before")
    @classmethod
    def split_names(cls, augment: Any) -> Any:
        """Let names between commas stand for a list: `shift,rotation`."""
        if not isinstance(augment, str):
            return augment
        return [name.strip() for name in augment.split(",") if name.strip()]

    def count_steps(self, examples: int) -> float:
        """Return about how many steps the training makes with so many examples."""
        return self.epochs * self.passes * max(1.0, examples / self.batch_size)

    def with_steps(self, steps: float, examples: int) -> Self:
        """Return the training with as many epochs as make about `steps` of so many examples."""
        steps_of_epoch = self.passes * max(1.0, examples / self.batch_size)
        return self.model_copy(update={"epochs": max(1, round(steps / steps_of_epoch))})

    def check_augment(self, input_shape: tuple[int, ...]) -> None:
        """Raise ValueError where examples of this shape are no pictures that can be changed so."""
        if not self.augment:
            return
        if len(input_shape) != 3:
            raise ValueError(
                "augmentation is for pictures, and these are rows: set training.augment to []"
            )
        if "colour" in self.augment and input_shape[0] not in (1, 3):
            raise ValueError(
                "augmentation by colour is for pictures in grey or colour, and these have "
                f"{input_shape[0]} channels: leave it out of training.augment"
            )

    def check_network(self, network: NetworkBase, has_missing: bool) -> None:
        """Raise ValueError where this network cannot be trained so, or not with missing cells."""
        if network.is_pretrained:
            raise ValueError(
                f"a network of kind {network.kind} is read-only: it is pulled with published "
                "weights, and not trained here; choose another network.kind"
            )
        if self.pretrain_epochs and not network.can_pretrain:
            raise ValueError(
                "layer-wise pretraining is for fully connected networks; set pretrain_epochs to 0"
            )
        if self.pretrain_epochs and has_missing:
            raise ValueError(
                "layer-wise pretraining needs whole examples: set pretrain_epochs to 0, or fill "
                "the missing cells"
            )
        # the mean of weights has no statistics of the batches to go with
        if self.averaged and network.uses_batch_norm:
            raise ValueError(
                "averaged weights do not go with batch normalisation, whose statistics are not "
                "theirs: set averaged to 0, or norm to layer"
            )
