"""The base of networks whose weights were published: they are run on pictures, never trained.

Their modules have the names of the layout of the library diffusers, in which such weights are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import CodeGrid
from aecore.model.parts.networks.base import Decoder, Encoder, Features, NetworkBase

COLOUR_CHANNELS = 3
SHOWN_PRODUCTS = 10**12  # of all examples on pages: about a minute of one core
LEAST_SHOWN = 8  # examples
MOST_PRODUCTS, WIDEST_LAYER = 5 * 10**12, 10**8  # of one picture: minutes, and 400 MB a layer
MOST_WEIGHTS = 10**8  # of a network that is measured: more are refused for their number


class PretrainedNetwork(NetworkBase):
    """Options of a published autoencoder of pictures in colour, whose code lies on a grid.

    A kind sets `kind`, `activation`, `levels`, `layout`, `from_layout` and `build_layers`.
    """

    latent_channels: int = Field(4, ge=1, le=64, description="Channels of the code at each place.")
    code_activation: Literal["linear"] = "linear"
    scaling_factor: float = Field(
        1.0,
        description="What diffusion models of these codes multiply them by, after subtracting "
        "shift_factor. It is kept for them, and not used here.",
    )
    shift_factor: float = Field(0.0, description="See scaling_factor.")
    source: str = Field(
        "",
        pattern=r"^([A-Za-z0-9_.-]{1,96}/[A-Za-z0-9_.-]{1,96})?$",
        description="Repository of the Hub that the weights are from.",
    )
    revision: str = Field("", pattern=r"^[0-9a-f]{0,64}$", description="The commit there.")
    license: str = Field(
        "", pattern=r"^[A-Za-z0-9_.+-]{0,80}$", description="Licence of the weights."
    )

    is_pretrained: ClassVar[bool] = True
    is_offered: ClassVar[bool] = False
    shares_places: ClassVar[bool] = True
    layout: ClassVar[str]  # the name of the class in diffusers
    values_per_unit: ClassVar[int] = 1  # of the code that the encoder gives

    @property
    def levels(self) -> int:
        """The resolutions that there are: each after the first halves the picture."""
        raise NotImplementedError

    @classmethod
    def from_layout(cls, values: Mapping[str, Any], **about: str) -> Self:
        """Return the options that a published config.json states; `about` says where it is from.

        ValueError for a layout that is not known here.
        """
        raise NotImplementedError

    @staticmethod
    def rename_weight(name: str) -> str:
        """Return the name here of a published tensor."""
        return name

    def build_layers(self) -> tuple[PretrainedEncoder, PretrainedDecoder]:
        """Return encoder and decoder; the decoder does not know the sides of the code yet."""
        raise NotImplementedError

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[PretrainedEncoder, PretrainedDecoder]:
        if outputs != self.values_per_unit * latent_dim:
            raise ValueError(f"the code of {self.layout} goes with another bottleneck")
        if logits not in (None, math.prod(input_shape)):
            raise ValueError(f"{self.layout} gives one value for each pixel and channel")
        encoder, decoder = self.build_layers()
        decoder.places = self.count_places(input_shape)
        return encoder, decoder

    @property
    def stride(self) -> int:
        """Pixels along a side of a place of the code."""
        return 2 ** (self.levels - 1)

    @property
    def layer_activations(self) -> tuple[str, ...]:
        return (self.code_activation,)

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        is_picture = len(input_shape) == 3 and input_shape[0] == COLOUR_CHANNELS
        if not is_picture or any(side % self.stride for side in input_shape[1:]):
            raise ValueError(
                f"{self.layout} takes pictures in colour whose sides are multiples of "
                f"{self.stride}, such as (3, {8 * self.stride}, {8 * self.stride}); got "
                f"{tuple(input_shape)}"
            )
        if math.prod(input_shape) > WIDEST_LAYER:  # such sizes cannot even be measured
            raise ValueError(
                f"{self.layout} takes pictures of at most {WIDEST_LAYER:,} values here, got "
                f"{tuple(input_shape)}: choose smaller pictures"
            )
        if count_layer_weights(self) > MOST_WEIGHTS:
            return
        layers = measure_layers(self, tuple(input_shape))
        if layers.products > MOST_PRODUCTS or layers.widest > WIDEST_LAYER:
            raise ValueError(
                f"this {self.layout} needs {layers.products:.1e} products and layers of "
                f"{layers.widest:,} values for a picture of {tuple(input_shape)}; at most "
                f"{MOST_PRODUCTS:.0e} and {WIDEST_LAYER:,} are run here: choose smaller pictures"
            )

    def check_code(self, input_shape: Sequence[int], latent_dim: int, is_plain: bool) -> None:
        units = self.suggest_latent_dim(input_shape)
        if latent_dim != units:
            raise ValueError(
                f"the code of {self.layout} for such pictures has {units:,} units, got {latent_dim}"
            )

    def suggest_latent_dim(
        self, input_shape: Sequence[int], units_of_place: int | None = None
    ) -> int:
        return self.latent_channels * math.prod(self.count_places(input_shape))

    def count_places(self, input_shape: Sequence[int]) -> tuple[int, int]:
        """Return height and width of the code."""
        height, width = (side // self.stride for side in input_shape[1:])
        return height, width

    def find_code_grid(self, input_shape: Sequence[int], latent_dim: int) -> CodeGrid:
        return (self.latent_channels, *self.count_places(input_shape))

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        return count_layer_weights(self)

    def count_products(self, input_shape: Sequence[int], outputs: int) -> int:
        return measure_layers(self, tuple(input_shape)).products

    def limit_examples(self, input_shape: Sequence[int]) -> int:
        products = measure_layers(self, tuple(input_shape)).products
        return max(LEAST_SHOWN, SHOWN_PRODUCTS // products)

    def count_widest_layer(self, input_shape: Sequence[int]) -> int:
        return measure_layers(self, tuple(input_shape)).widest


class PretrainedEncoder(Encoder):
    """Maps pictures (N, 3, H, W) in [0, 1] to codes on a grid, of all means, then log variances."""

    values_per_unit = 1

    def encode_grid(self, x: Tensor) -> Tensor:
        """x (N, 3, H, W) -> (N, values of a place, h, w); sides are multiples of the stride."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Features:
        parts = self.encode_grid(x).unflatten(1, (self.values_per_unit, -1))
        return Features(parts.permute(0, 1, 3, 4, 2).flatten(1), ())


class PretrainedDecoder(Decoder):
    """Maps codes to pictures in [0, 1], as far as the network keeps to that."""

    places: tuple[int, int]  # height and width of the code

    def decode_grid(self, code: Tensor) -> Tensor:
        """code (N, channels, h, w) -> pictures (N, 3, H, W)."""
        raise NotImplementedError

    def forward(self, z: Tensor) -> Tensor:
        return self.decode_grid(z.unflatten(1, (*self.places, -1)).permute(0, 3, 1, 2))


def pass_through(layers: nn.ModuleList, h: Tensor) -> Tensor:
    """Return what layers make of h, one after another."""
    for layer in layers:
        h = layer(h)
    return h


class LayerCounts(NamedTuple):
    """The size of encoder and decoder together, for one picture."""

    products: int  # multiplications of convolutions and linear layers
    widest: int  # values of the largest layer


@lru_cache(maxsize=64)
def count_layer_weights(network: PretrainedNetwork) -> int:
    """Return how many weights a network has, without memory for them."""
    with torch.device("meta"):
        layers = network.build_layers()
    return sum(weight.numel() for part in layers for weight in part.parameters())


@lru_cache(maxsize=64)
@torch.no_grad()
def measure_layers(network: PretrainedNetwork, input_shape: tuple[int, ...]) -> LayerCounts:
    """Return what the layers compute for one picture, found without computing it."""
    products, widths = [0], [math.prod(input_shape)]

    def note(layer: nn.Module, _: Any, out: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        features = layer.weight.shape[0]
        products.append(layer.weight.numel() * (out.numel() // features))
        widths.append(out.numel())

    with torch.device("meta"):
        encoder, decoder = network.build_layers()
        for layer in [*encoder.modules(), *decoder.modules()]:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(note)
        encoder.encode_grid(torch.empty(1, *input_shape))
        places = network.count_places(input_shape)
        decoder.decode_grid(torch.empty(1, network.latent_channels, *places))
    return LayerCounts(sum(products), max(widths))


def check_setting(values: Mapping[str, Any], name: str, *known: Any) -> None:
    """Raise ValueError where a published config has another value than those known here."""
    value = values.get(name, known[0])
    if value not in known:
        raise ValueError(f"{name} is {known[0]} in autoencoders known here, got {value!r:.60}")
