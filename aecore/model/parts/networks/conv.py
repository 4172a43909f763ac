"""Convolutional networks for images of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.linear import Linear
from aecore.model.parts.networks.base import (
    ACTIVATIONS,
    Activation,
    Decoder,
    Encoder,
    Features,
    NetworkBase,
    initialise_layers,
)

Channels = Annotated[int, Field(ge=1, le=1024)]
Size = tuple[int, ...]  # height and width


class Conv(NetworkBase):
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

    menu_position: ClassVar[int] = 2

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[ConvEncoder, ConvDecoder]:
        sizes = self.list_sizes(input_shape)
        channels, area = [input_shape[0], *self.channels], math.prod(input_shape[1:])
        maps = input_shape[0] if logits is None else logits // area
        return (
            ConvEncoder(self, channels, sizes, outputs),
            ConvDecoder(self, [*channels[:0:-1], maps], sizes[::-1], latent_dim),
        )

    @property
    def layer_activations(self) -> tuple[str, ...]:
        return (self.activation,) * len(self.channels) + (self.code_activation,)

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        if len(input_shape) != 3:
            raise ValueError(
                "a convolutional network needs images (channels, height, width), "
                f"got {input_shape[0]} columns; "
                "use a variant with fully connected layers, such as vanilla or vae"
            )

    def fit_input_shape(self, input_shape: Sequence[int]) -> Self:
        """Choose the channels by the image's size, unless they were set."""
        if len(input_shape) != 3 or "channels" in self.model_fields_set:
            return self
        return self.model_copy(update={"channels": choose_channels(min(input_shape[1:]))})

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        channels = [input_shape[0], *self.channels]
        convolutions = sum(9 * a * b for a, b in pairwise(channels))
        last_size = self.list_sizes(input_shape)[-1]
        return 2 * (convolutions + channels[-1] * math.prod(last_size) * outputs)

    def count_output_weights(self, input_shape: Sequence[int], latent_dim: int) -> int:
        return 9 * self.channels[0] * input_shape[0]

    def count_products(self, input_shape: Sequence[int], outputs: int) -> int:
        channels, sizes = [input_shape[0], *self.channels], self.list_sizes(input_shape)
        places = [math.prod(size) for size in sizes]
        kernels = [9 * a * b for a, b in pairwise(channels)]
        convolutions = sum(a * b for a, b in zip(kernels, places[1:], strict=True))
        return 2 * (convolutions + channels[-1] * places[-1] * outputs)

    def list_sizes(self, input_shape: Sequence[int]) -> list[Size]:
        """Return the height and width of the image, then of each level."""
        sizes: list[Size] = [tuple(input_shape[1:])]
        for _ in self.channels:
            sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
        return sizes

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        sizes = self.list_sizes(input_shape)[1:]
        return tuple((c, *size) for c, size in zip(self.channels, sizes, strict=True))


def choose_channels(side: int) -> tuple[int, ...]:
    """Return the channels of each level for images whose shorter side is `side`.

    Levels halve it until it is 8 or less; their channels double from 32 up to 256.
    """
    levels = max(1, math.ceil(math.log2(max(side, 1) / 8))) if side > 8 else 1
    return tuple(min(32 * 2**i, 256) for i in range(levels))


class ConvEncoder(Encoder):
    """Convolutions of stride 2, then a linear layer to the code parameters."""

    def __init__(self, options: Conv, channels: list[int], sizes: list[Size], outputs: int):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.sizes = sizes
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels)
        )
        self.to_code = Linear(channels[-1] * math.prod(sizes[-1]), outputs)
        initialise_layers(self.layers, options.activation)
        initialise_layers([self.to_code], options.code_activation)

    def forward(self, x: Tensor) -> Features:
        hidden = []
        for layer in self.layers:
            x = self.activate(layer(x))
            hidden.append(x.flatten(1))
        return Features(self.to_code(x.flatten(1)), tuple(hidden))

    @property
    def head(self) -> nn.Linear:
        return self.to_code


class ConvDecoder(Decoder):
    """A linear layer from the code, then transposed convolutions of stride 2."""

    def __init__(self, options: Conv, channels: list[int], sizes: list[Size], latent_dim: int):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.sizes = sizes
        self.first_shape = (channels[0], *sizes[0])
        self.from_code = Linear(latent_dim, math.prod(self.first_shape))
        self.layers = nn.ModuleList(
            build_transposed_convolution(a, b, size)
            for (a, b), size in zip(pairwise(channels), sizes[1:], strict=True)
        )
        initialise_layers([self.from_code, *self.layers[:-1]], options.activation)
        initialise_layers(self.layers[-1:], "linear")

    def forward(self, z: Tensor) -> Tensor:
        h = self.activate(self.from_code(z)).unflatten(1, self.first_shape)
        for layer in self.layers[:-1]:
            h = self.activate(layer(h))
        return self.layers[-1](h)

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer, one value per channel."""
        bias = self.layers[-1].bias
        assert isinstance(bias, nn.Parameter)
        return bias


def build_transposed_convolution(inputs: int, outputs: int, size: Size) -> nn.ConvTranspose2d:
    """Return the layer that doubles height and width to `size`, rounded as the encoder did."""
    height, width = size
    padding = ((height + 1) % 2, (width + 1) % 2)  # an even side needs one more row
    return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=padding)
