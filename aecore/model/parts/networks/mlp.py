"""Fully connected networks, with normalisation and tied weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.linear import Linear, apply_linear
from aecore.model.parts.networks.base import (
    ACTIVATIONS,
    Activation,
    Decoder,
    Encoder,
    Features,
    NetworkBase,
    initialise_layers,
)

Norm = Literal["none", "batch", "layer"]
Width = Annotated[int, Field(ge=1, le=16384)]

FEW_FEATURES = 64  # below it layers are narrowed
MIN_WIDTH, MAX_WIDTH = 16, 64  # of narrowed layers


class Mlp(NetworkBase):
    """h_l = f(W_l h_(l-1) + b_l), mirrored in the decoder.

    No hidden layer and a linear code is the linear autoencoder; several make the stacked one
    (Hinton & Salakhutdinov, 2006). Tied: the decoder's weights are the encoder's, transposed.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        (400,),
        max_length=16,
        description="Widths of the encoder's hidden layers; the decoder mirrors them.",
    )
    activation: Activation = Field("gelu", description="Non-linearity of the hidden layers.")
    code_activation: Activation = Field("linear", description="Non-linearity of the code layer.")
    norm: Norm = Field(
        "none",
        description="Normalise hidden units: over the batch, or over the layer of each example.",
    )
    tied: bool = Field(False, description="The decoder uses the encoder's weights, transposed.")

    menu_position: ClassVar[int] = 1
    can_pretrain: ClassVar[bool] = True

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[MlpEncoder, MlpDecoder]:
        features = math.prod(input_shape)
        encoder = MlpEncoder(self, [features, *self.hidden], outputs)
        logits = features if logits is None else logits
        logits_shape = tuple(input_shape) if logits == features else (logits,)
        widths = [latent_dim, *reversed(self.hidden), logits]
        tied_to = encoder.linear_layers() if self.tied else None
        return encoder, MlpDecoder(self, widths, logits_shape, tied_to)

    @property
    def layer_activations(self) -> tuple[str, ...]:
        return (self.activation,) * len(self.hidden) + (self.code_activation,)

    @property
    def is_tied(self) -> bool:
        return self.tied

    @property
    def uses_batch_norm(self) -> bool:
        return self.norm == "batch"

    def fit_input_shape(self, input_shape: Sequence[int]) -> Self:
        """Narrow hidden layers to 64 units or less where examples have few features."""
        if math.prod(input_shape) >= FEW_FEATURES:
            return self
        hidden = tuple(max(MIN_WIDTH, min(width, MAX_WIDTH)) for width in self.hidden)
        return self.model_copy(update={"hidden": hidden})

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        widths = [math.prod(input_shape), *self.hidden, outputs]
        return 2 * sum(a * b for a, b in pairwise(widths))

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.hidden)


class MlpEncoder(Encoder):
    """Fully connected layers from the flattened input to the code parameters."""

    def __init__(self, options: Mlp, widths: list[int], outputs: int):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise([*widths, outputs]))
        self.norms = build_normalisers(options.norm, widths[1:])
        initialise_layers(self.layers[:-1], options.activation)
        initialise_layers(self.layers[-1:], options.code_activation)

    def forward(self, x: Tensor) -> Features:
        h, hidden = x.flatten(1), []
        for layer, norm in zip(self.layers[:-1], self.norms, strict=True):
            h = self.activate(norm(layer(h)))
            hidden.append(h)
        return Features(self.layers[-1](h), tuple(hidden))

    @property
    def head(self) -> nn.Linear:
        return self.linear_layers()[-1]

    def linear_layers(self) -> list[nn.Linear]:
        """Return `layers` as a typed list."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


class MlpDecoder(Decoder):
    """Fully connected layers from the code to logits.

    It has `layers` with weights of its own, or `biases` alone and the weights of `tied_layers`.
    """

    layers: nn.ModuleList
    norms: nn.ModuleList
    biases: nn.ParameterList
    tied_layers: tuple[nn.Linear, ...] | None

    def __init__(
        self,
        options: Mlp,
        widths: list[int],
        logits_shape: tuple[int, ...],
        tied_to: Sequence[nn.Linear] | None,
    ):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.logits_shape = logits_shape
        self.norms = build_normalisers(options.norm, widths[1:-1])
        # a tuple, not a ModuleList: the parameters must not be registered twice
        self.tied_layers = None if tied_to is None else tuple(reversed(tied_to))
        if self.tied_layers is None:
            self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
            initialise_layers(self.layers[:-1], options.activation)
            initialise_layers(self.layers[-1:], "linear")
        else:
            self.biases = nn.ParameterList(torch.zeros(width) for width in widths[1:])

    def forward(self, z: Tensor) -> Tensor:
        h = z
        for i, norm in enumerate(self.norms):
            h = self.activate(norm(self.apply_layer(i, h)))
        return self.apply_layer(len(self.norms), h).unflatten(1, self.logits_shape)

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer, one value per logit."""
        bias = self.layers[-1].bias if self.tied_layers is None else self.biases[-1]
        assert isinstance(bias, nn.Parameter)
        return bias

    def apply_layer(self, i: int, h: Tensor) -> Tensor:
        """Apply the i-th affine map to h (N, width).

        Tied weights are read from the encoder at every call, so that gradients of both reach them.
        """
        if self.tied_layers is None:
            return self.layers[i](h)
        weight = self.tied_layers[i].weight[
            : h.shape[1]
        ]  # a variational layer gives the means first
        return apply_linear(h, weight.t(), self.biases[i])


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses the running statistics for a batch of a single example."""

    def forward(self, x: Tensor) -> Tensor:
        # `training` is tested first: exporters must not take the batch's size for fixed
        if not self.training or len(x) > 1:
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


NORMALISERS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "batch": BatchNorm,  # Ioffe & Szegedy (2015)
    "layer": nn.LayerNorm,  # Ba et al. (2016)
}


def build_normalisers(norm: Norm, widths: Sequence[int]) -> nn.ModuleList:
    """Return one normalising module for each hidden layer of these widths."""
    return nn.ModuleList(NORMALISERS[norm](width) for width in widths)
