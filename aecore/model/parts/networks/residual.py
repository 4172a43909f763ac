"""Residual convolutional networks for pictures of any size, with codes that lie on a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from aecore.model.parts.base import CodeGrid
from aecore.model.parts.networks.base import Activation, NetworkBase
from aecore.model.parts.networks.residual_blocks import Downsampling, Norm, Upsampling
from aecore.model.parts.networks.residual_pyramid import Pyramid, ResidualDecoder, ResidualEncoder

WIDTH_FACTORS = {"small": 1, "medium": 2, "large": 4}
LEVEL_CHANNELS = (32, 48, 96, 192)  # of four levels; fewer have the last of them
DENSE_CHANNELS = (32, 64, 96)  # the same beside a dense code
CODE_SIDE = 4  # places of the code along the shorter side of a small picture
PIXELS_PER_NUMBER = 16  # of a code, by default
DENSE_SIDE = 32  # pixels up to which a code is one vector, by default
MAX_SUGGESTED = 16384  # numbers of a code
MEDIUM_SIDE, LARGE_SIDE = 256, 1024  # pixels from which on networks are wider

Channels = Annotated[int, Field(ge=1, le=1024)]
Blocks = Annotated[int, Field(ge=0, le=16)]


class Residual(NetworkBase):
    """Residual blocks with group normalisation, on a pyramid of levels that each halve the picture.

    A spatial code is a grid of places: a place is a square of 2^levels pixels. Pictures of other
    sides are continued by their last pixels, and cut again. With a linear path, codes are
    W * x + e(x) and logits V * z + d(z) for strided convolutions W and V of overlapping blocks and
    these layers e and d. W and V begin as the transform of Karhunen and Loève of blocks, that is
    their PCA, and the last layers of e and d at zero.
    """

    kind: Literal["residual"] = "residual"
    size: Literal["small", "medium", "large"] = Field(
        "small",
        description="Width: medium has twice the channels below, large four times as many, for "
        "about 4 and 16 times the work.",
    )
    channels: tuple[Channels, ...] = Field(
        DENSE_CHANNELS,
        min_length=1,
        max_length=6,
        description="Channels of each level of a small network; a level halves the picture.",
    )
    blocks: tuple[Blocks, ...] = Field(
        (0, 1),
        min_length=1,
        max_length=6,
        description="Residual blocks of each level; the last number holds for all further levels.",
    )
    code: Literal["spatial", "dense"] = Field(
        "spatial",
        description="spatial: channels at each place of a grid. dense: one vector for the whole "
        "picture.",
    )
    attention: bool = Field(
        False, description="Places attend to each other at the coarsest level of both networks."
    )
    downsampling: Downsampling = Field(
        "unshuffle",
        description="How a level halves the picture: by a strided convolution, or by making the "
        "pixels of a square channels.",
    )
    upsampling: Upsampling = Field(
        "shuffle",
        description="How the decoder doubles it: by nearest neighbours and a convolution, or by "
        "making channels the pixels of a square.",
    )
    norm: Norm = Field(
        "group",
        description="group: the channels of a few are normalised over the whole picture. none: a "
        "place depends on its neighbourhood alone, whatever the size of the picture.",
    )
    activation: Activation = Field("silu", description="Non-linearity of the blocks.")
    code_activation: Activation = Field("linear", description="Non-linearity of the code layer.")
    linear_path: bool = Field(
        True,
        description="A linear map beside the blocks begins as PCA of squares of the training "
        "pictures (of whole pictures for a dense code): the blocks learn what PCA cannot. For "
        "linear codes, plain or Gaussian.",
    )

    menu_position: ClassVar[int] = 3

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[ResidualEncoder, ResidualDecoder]:
        pyramid = Pyramid(
            picture=(input_shape[0], input_shape[1], input_shape[2]),
            places=self.count_places(input_shape),
            units=latent_dim,
            widths=self.widths,
            depths=self.depths,
            is_dense=self.code == "dense",
            has_path=self.linear_path,
            has_attention=self.attention,
            activation=self.activation,
            norm=self.norm,
        )
        logits = math.prod(input_shape) if logits is None else logits
        return (
            ResidualEncoder(pyramid, outputs, self.downsampling),
            ResidualDecoder(pyramid, logits, self.upsampling),
        )

    @property
    def stride(self) -> int:
        """Pixels along a side of a place of the coarsest grid."""
        return 2 ** len(self.channels)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each level, by size."""
        return tuple(WIDTH_FACTORS[self.size] * channels for channels in self.channels)

    @property
    def depths(self) -> tuple[int, ...]:
        """The number of blocks of each level."""
        return tuple(self.blocks[min(i, len(self.blocks) - 1)] for i in range(len(self.channels)))

    @property
    def layer_activations(self) -> tuple[str, ...]:
        # levels but the last give sums of blocks
        levels = ("linear",) * (len(self.channels) - 1) + (self.activation,)
        return (*levels, self.code_activation)

    @property
    def has_linear_path(self) -> bool:
        return self.linear_path

    def explain_no_path(self) -> str | None:
        return None if self.code_activation == "linear" else f"a {self.code_activation} code"

    def with_linear_path(self, has_path: bool) -> Self:
        return self.model_copy(update={"linear_path": has_path})

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        if len(input_shape) != 3:
            raise ValueError(
                "a residual network needs images (channels, height, width), "
                f"got {input_shape[0]} columns; "
                "use a variant with fully connected layers, such as vanilla or vae"
            )

    def check_code(self, input_shape: Sequence[int], latent_dim: int, is_plain: bool) -> None:
        height, width = self.count_places(input_shape)
        places = height * width
        if self.code == "dense" or latent_dim % places == 0:
            return
        below = latent_dim // places * places
        nearest = f"{below} or {below + places}" if below else f"{places}"
        raise ValueError(
            f"a spatial code has as many channels at each of its {height} x {width} places: "
            f"latent_dim must be a multiple of {places}, such as {nearest}, got {latent_dim}; "
            "or set network.code to dense"
        )

    def fit_input_shape(self, input_shape: Sequence[int]) -> Self:
        """Choose levels, size and kind of code by the shorter side, unless they were set.

        PCA of whole small pictures is much better than that of their squares.
        """
        if len(input_shape) != 3:
            return self
        side = min(input_shape[1:])
        by_side = "dense" if side <= DENSE_SIDE else "spatial"
        code = self.code if "code" in self.model_fields_set else by_side
        channels = choose_level_channels(side, code == "dense")
        fitting = {"channels": channels, "size": choose_size(side), "code": code}
        unset = {k: v for k, v in fitting.items() if k not in self.model_fields_set}
        return self.model_copy(update=unset)

    def with_finer_code(self) -> Self:
        return self.model_copy(update={"channels": self.channels[1:] or self.channels})

    def suggest_latent_dim(
        self, input_shape: Sequence[int], units_of_place: int | None = None
    ) -> int | None:
        """Return a code size: by default with a number for about 16 pixels."""
        if self.code == "dense":
            return max(1, math.prod(input_shape[1:]) // PIXELS_PER_NUMBER)
        height, width = self.count_places(input_shape)
        places = height * width
        units = units_of_place or self.stride**2 // PIXELS_PER_NUMBER
        return places * max(1, min(units, MAX_SUGGESTED // places))

    def fit_latent_dim(self, input_shape: Sequence[int], latent_dim: int) -> Self:
        """Make the code dense where a spatial one cannot have so many units."""
        if latent_dim % math.prod(self.count_places(input_shape)) == 0:
            return self
        return self.model_copy(update={"code": "dense"})

    def count_places(self, input_shape: Sequence[int]) -> tuple[int, int]:
        """Return height and width of the coarsest grid."""
        height, width = (math.ceil(side / self.stride) for side in input_shape[1:])
        return height, width

    def find_code_grid(self, input_shape: Sequence[int], latent_dim: int) -> CodeGrid | None:
        if self.code == "dense":
            return None
        height, width = self.count_places(input_shape)
        return latent_dim // (height * width), height, width

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        height, width = self.count_places(input_shape)
        scales = [2**i for i in reversed(range(len(self.channels)))]
        return tuple(
            (c, height * scale, width * scale) for c, scale in zip(self.widths, scales, strict=True)
        )

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        return sum(weights for weights, _ in self.iterate_layers(input_shape, outputs))

    def count_output_weights(self, input_shape: Sequence[int], latent_dim: int) -> int:
        in_pixels = 36 * self.widths[0] * input_shape[0]
        if not self.linear_path:
            return in_pixels
        if self.code == "dense":
            return in_pixels + latent_dim * math.prod(input_shape)
        units = latent_dim // math.prod(self.count_places(input_shape))
        return in_pixels + units * input_shape[0] * (2 * self.stride) ** 2

    def count_products(self, input_shape: Sequence[int], outputs: int) -> int:
        return sum(weights * n for weights, n in self.iterate_layers(input_shape, outputs))

    def iterate_layers(self, input_shape: Sequence[int], outputs: int) -> Iterator[tuple[int, int]]:
        """Yield the weights of each layer, and how many places it is applied to."""
        before = input_shape[0]
        shapes = self.list_hidden_shapes(input_shape)
        for i, (c, height, width) in enumerate(shapes):
            down, up = count_resampling_weights(self, before, c, is_first=i == 0)
            yield down, height * width
            yield up, height * width * (4 if self.upsampling == "nearest" else 1)
            yield 2 * self.depths[i] * 10 * c * c, height * width
            before = c
        places = shapes[-1][1] * shapes[-1][2]
        yield 8 * before**2 if self.attention else 0, places
        if self.code == "dense":
            yield 2 * before * places * outputs, 1
            yield 2 * math.prod(input_shape) * outputs if self.linear_path else 0, 1
            return
        yield 18 * before * math.ceil(outputs / places), places
        block = input_shape[0] * (2 * self.stride) ** 2
        yield 2 * block * math.ceil(outputs / places) if self.linear_path else 0, places


def count_resampling_weights(
    options: Residual, before: int, after: int, is_first: bool
) -> tuple[int, int]:
    """Return the weights of the layers of a level that halve and double, without biases."""
    down = (9 if options.downsampling == "strided" else 4) * before * after
    if options.upsampling == "nearest":
        return down, 9 * before * after
    return down, (36 if is_first else 4) * before * after


def choose_level_channels(side: int, is_dense: bool) -> tuple[int, ...]:
    """Return the channels of each level for pictures whose shorter side is `side`.

    Levels halve it until the code has CODE_SIDE places along it, but at most three or four times.
    """
    levels = math.ceil(math.log2(side / CODE_SIDE)) if side > CODE_SIDE else 1
    return (DENSE_CHANNELS if is_dense else LEVEL_CHANNELS)[-levels:]


def choose_size(side: int) -> str:
    """Return the size of the network for pictures whose shorter side is `side`."""
    if side < MEDIUM_SIDE:
        return "small"
    return "medium" if side < LARGE_SIDE else "large"
