"""Networks: encoders that map inputs to code parameters, decoders that map codes to logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import Options
from aecore.model.parts.linear import Linear, apply_linear

Activation = Literal["relu", "sigmoid", "tanh", "gelu", "linear"]


ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "linear": lambda a: a,
}


Norm = Literal["none", "batch", "layer"]


Width = Annotated[int, Field(ge=1, le=16384)]
Channels = Annotated[int, Field(ge=1, le=1024)]


class Features(NamedTuple):
    """What an encoder says of a batch."""

    out: Tensor  # (N, outputs): the last layer before any activation
    hidden: tuple[Tensor, ...]  # the activations of each hidden layer, from the input on


class Mlp(Options):
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
        "none", description="Normalise hidden units, over the batch or over each example's layer."
    )
    tied: bool = Field(False, description="The decoder uses the encoder's weights, transposed.")

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, decoded: int = 1
    ) -> tuple[nn.Module, nn.Module]:
        """Encoder (N, *input_shape) -> Features of `outputs` values; decoder (N, latent_dim) -> logits.

        Logits have the input's shape, but (decoded * features,) where a row has several for each feature.
        """
        features = math.prod(input_shape)
        encoder = MlpEncoder(self, [features, *self.hidden], outputs)
        layers = encoder.layers if self.tied else None
        shape = input_shape if decoded == 1 else (decoded * features,)
        return encoder, MlpDecoder(
            self, [latent_dim, *reversed(self.hidden), decoded * features], shape, layers
        )


class Conv(Options):
    """Strided 3 x 3 convolutions, then one linear layer to the code; mirrored with transposed ones.

    Images of any size with any number of channels: each level halves height and width, rounding up.
    """

    kind: Literal["conv"] = "conv"
    channels: tuple[Channels, ...] = Field(
        (32, 64),
        min_length=1,
        max_length=8,
        description="Channels of each level; a level halves the image.",
    )
    activation: Activation = Field("relu", description="Non-linearity of the convolutions.")
    code_activation: Activation = Field("linear", description="Non-linearity of the code layer.")

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, decoded: int = 1
    ) -> tuple[nn.Module, nn.Module]:
        """Encoder (N, C, H, W) -> Features of `outputs` values; decoder (N, latent_dim) -> logits."""
        sizes = [tuple(input_shape[1:])]
        for _ in self.channels:
            sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
        channels = [input_shape[0], *self.channels]
        return (
            ConvEncoder(self, channels, sizes, outputs),
            ConvDecoder(self, channels[::-1], sizes[::-1], latent_dim),
        )


Network = Annotated[Mlp | Conv, Field(discriminator="kind")]


class MlpEncoder(nn.Module):
    def __init__(self, options: Mlp, widths: list[int], outputs: int):
        super().__init__()
        self.kind, self.f = options.activation, ACTIVATIONS[options.activation]
        self.layers = nn.ModuleList(
            Linear(a, b) for a, b in zip(widths, [*widths[1:], outputs], strict=True)
        )
        self.norms = build_normalisers(options.norm, widths[1:])
        initialise_layers(self.layers[:-1], options.activation)
        initialise_layers(self.layers[-1:], options.code_activation)

    def forward(self, x: Tensor) -> Features:
        h, hidden = x.flatten(1), []
        for layer, norm in zip(self.layers[:-1], self.norms, strict=True):
            h = self.f(norm(layer(h)))
            hidden.append(h)
        return Features(self.layers[-1](h), tuple(hidden))

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the code."""
        return self.layers[-1]


class MlpDecoder(nn.Module):
    def __init__(
        self, options: Mlp, widths: list[int], shape: Sequence[int], tied_to: nn.ModuleList | None
    ):
        super().__init__()
        self.kind, self.f, self.shape = (
            options.activation,
            ACTIVATIONS[options.activation],
            tuple(shape),
        )
        pairs = list(pairwise(widths))
        self.norms = build_normalisers(options.norm, widths[1:-1])
        self.tied = (
            None if tied_to is None else tuple(reversed(list(tied_to)))
        )  # a tuple: not parameters twice
        if self.tied is None:
            self.layers = nn.ModuleList(Linear(a, b) for a, b in pairs)
            initialise_layers(self.layers[:-1], options.activation)
            initialise_layers(self.layers[-1:], "linear")
        else:
            self.biases = nn.ParameterList(torch.zeros(b) for _, b in pairs)

    def forward(self, z: Tensor) -> Tensor:
        for i, norm in enumerate(self.norms):
            z = self.f(norm(self.layer(i, z)))
        return self.layer(len(self.norms), z).unflatten(1, self.shape)

    @property
    def output_bias(self) -> nn.Parameter:
        """(features,): what is decoded where nothing else is said."""
        return self.biases[-1] if self.tied is not None else self.layers[-1].bias

    def layer(self, i: int, h: Tensor) -> Tensor:
        """The i-th affine map; tied weights are read from the encoder, so both gradients reach them."""
        if self.tied is None:
            return self.layers[i](h)
        weight = self.tied[i].weight[: h.shape[1]]  # of a variational layer, the means alone
        return apply_linear(h, weight.t(), self.biases[i])


class ConvEncoder(nn.Module):
    def __init__(
        self, options: Conv, channels: list[int], sizes: list[tuple[int, ...]], outputs: int
    ):
        super().__init__()
        self.kind, self.f, self.sizes = options.activation, ACTIVATIONS[options.activation], sizes
        pairs = pairwise(channels)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.to_code = Linear(channels[-1] * math.prod(sizes[-1]), outputs)
        initialise_layers(self.layers, options.activation)
        initialise_layers([self.to_code], options.code_activation)

    def forward(self, x: Tensor) -> Features:
        hidden = []
        for layer in self.layers:
            x = self.f(layer(x))
            hidden.append(x.flatten(1))
        return Features(self.to_code(x.flatten(1)), tuple(hidden))

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the code."""
        return self.to_code


class ConvDecoder(nn.Module):
    def __init__(
        self, options: Conv, channels: list[int], sizes: list[tuple[int, ...]], latent_dim: int
    ):
        super().__init__()
        self.kind, self.f = options.activation, ACTIVATIONS[options.activation]
        self.sizes, self.start = sizes, (channels[0], *sizes[0])
        self.from_code = Linear(latent_dim, math.prod(self.start))
        self.layers = nn.ModuleList(
            # an even side needs one more row than the transposed convolution gives
            nn.ConvTranspose2d(
                a, b, 3, 2, padding=1, output_padding=tuple((side + 1) % 2 for side in size)
            )
            for a, b, size in zip(channels[:-1], channels[1:], sizes[1:], strict=True)
        )
        initialise_layers([self.from_code, *self.layers[:-1]], options.activation)
        initialise_layers(self.layers[-1:], "linear")

    def forward(self, z: Tensor) -> Tensor:
        h = self.f(self.from_code(z)).unflatten(1, self.start)
        for layer in self.layers[:-1]:
            h = self.f(layer(h))
        return self.layers[-1](h)

    @property
    def output_bias(self) -> nn.Parameter:
        """(channels,): what is decoded where nothing else is said."""
        return self.layers[-1].bias


def build_normalisers(kind: Norm, widths: Sequence[int]) -> nn.ModuleList:
    """One for each hidden layer: Ioffe & Szegedy (2015) over the batch, Ba et al. (2016) over the layer, or none."""
    kinds = {"none": lambda _: nn.Identity(), "batch": BatchNorm, "layer": nn.LayerNorm}
    return nn.ModuleList(kinds[kind](width) for width in widths)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes an epoch's last batch of a single example by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        if (
            not self.training or len(x) > 1
        ):  # in this order: exporters must not take the batch's size for fixed
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def initialise_layers(layers: Sequence[nn.Module] | nn.ModuleList, activation: str) -> None:
    """He et al. (2015) for rectifiers, Glorot & Bengio (2010) for the rest; biases at zero."""
    for layer in layers:
        if activation in ("relu", "gelu"):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
