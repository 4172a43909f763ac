"""The encoder and the decoder of residual networks: levels of blocks, beside a linear path."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.model.parts.linear import Linear
from aecore.model.parts.networks.base import (
    ACTIVATIONS,
    Decoder,
    Encoder,
    Features,
    initialise_layers,
)
from aecore.model.parts.networks.mlp import LinearPath
from aecore.model.parts.networks.residual_blocks import (
    TRANSFORM_GAIN,
    BlockAnalysis,
    BlockSynthesis,
    Doubling,
    Downsampling,
    Halving,
    Norm,
    ResidualBlock,
    SpatialAttention,
    Upsampling,
    build_norm,
    cut_blocks,
    order_channels_last,
    zero_layer,
)


class Pyramid(NamedTuple):
    """Sizes that encoder and decoder share: of the picture, the levels and the code."""

    picture: tuple[int, int, int]  # channels, height and width
    places: tuple[int, int]  # height and width of the coarsest level
    units: int  # of the whole code
    widths: tuple[int, ...]  # channels of each level, from the finest on
    depths: tuple[int, ...]  # blocks of each level
    is_dense: bool  # the code is one vector, else it lies on the coarsest level
    has_path: bool
    has_attention: bool
    activation: str
    norm: Norm

    @property
    def stride(self) -> int:
        """Pixels along a side of a place."""
        return 2 ** len(self.widths)

    @property
    def units_of_place(self) -> int:
        """Channels of a spatial code."""
        return self.units // math.prod(self.places)

    def build_levels(self) -> list[nn.Sequential]:
        """Return the blocks of each level, from the finest on."""
        levels = [
            nn.Sequential(*(ResidualBlock(width, self.activation, self.norm) for _ in range(depth)))
            for width, depth in zip(self.widths, self.depths, strict=True)
        ]
        if self.has_attention:
            levels[-1].append(SpatialAttention(self.widths[-1], self.norm))
        return levels


class ResidualEncoder(Encoder):
    """Levels of blocks from the picture to the code parameters, beside a `path`."""

    path: BlockAnalysis | LinearPath | None
    to_code: nn.Conv2d | nn.Linear

    def __init__(self, pyramid: Pyramid, outputs: int, downsampling: Downsampling):
        super().__init__()
        self.pyramid = pyramid
        self.values_per_unit = outputs // pyramid.units  # a variational code has two
        self.activation = pyramid.activation
        self.activate = ACTIVATIONS[pyramid.activation]
        widths = [pyramid.picture[0], *pyramid.widths]
        self.halvings = nn.ModuleList(Halving(a, b, downsampling) for a, b in pairwise(widths))
        self.layers = nn.ModuleList(pyramid.build_levels())
        self.norm = build_norm(widths[-1], pyramid.norm)
        self.path = None
        if pyramid.is_dense:
            self.to_code = Linear(widths[-1] * math.prod(pyramid.places), outputs)
        else:
            self.to_code = nn.Conv2d(
                widths[-1], pyramid.units_of_place * self.values_per_unit, 3, padding=1
            )
        if pyramid.has_path:
            self.path = build_path_into_code(pyramid)
        initialise_layers([self.to_code], "linear")

    def forward(self, x: Tensor) -> Features:
        padded = pad_to_stride(x, self.pyramid.stride)
        hidden = self.list_levels(padded)
        if self.pyramid.is_dense:
            out = self.finish(hidden[-1].flatten(1), x.flatten(1))
        else:
            # the channels of a place side by side; all means, then all log variances
            parts = self.finish(hidden[-1], padded).unflatten(1, (self.values_per_unit, -1))
            out = parts.permute(0, 1, 3, 4, 2).flatten(1)
        return Features(out, tuple(h.flatten(1) for h in hidden))

    def encode_grid(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, outputs of a place, H / stride, W / stride), for a spatial code.

        Height and width are any multiples of the stride.
        """
        return self.finish(self.list_levels(x)[-1], x)

    def list_levels(self, x: Tensor) -> list[Tensor]:
        """Return what each level gives for x (N, C, H, W), from the finest on."""
        h, levels = order_channels_last(x), []
        for halving, level in zip(self.halvings, self.layers, strict=True):
            h = level(halving(h))
            levels.append(h)
        levels[-1] = self.activate(self.norm(h))
        return levels

    def finish(self, h: Tensor, x: Tensor) -> Tensor:
        """Return the code parameters of pictures x, whose coarsest level is h."""
        out = self.to_code(h)
        if self.path is None:
            return out
        along_path = self.path(x)  # of codes or means; a variational layer gives more
        missing = out.shape[1] - along_path.shape[1]
        return out + F.pad(along_path, (0, 0) * (out.dim() - 2) + (0, missing))

    @property
    def head(self) -> nn.Linear | nn.Conv2d:
        return self.to_code

    def cut_path_rows(self, x: Tensor) -> Tensor:
        if self.pyramid.is_dense:
            return x.flatten(1)
        return cut_blocks(pad_to_stride(x, self.pyramid.stride), self.pyramid.stride)

    @torch.no_grad()
    def begin_path(self, weight: Tensor, bias: Tensor, log_variances: Tensor | None) -> None:
        zero_layer(self.to_code)
        if isinstance(self.path, BlockAnalysis):
            self.path.set_central_blocks(weight)
        elif self.path is not None:
            self.path.weight[: len(weight)] = weight / self.path.gain
        assert self.to_code.bias is not None
        self.to_code.bias[: len(bias)] = bias
        if log_variances is not None:
            means = len(self.to_code.bias) // 2
            self.to_code.bias[means : means + len(bias)] = log_variances


class ResidualDecoder(Decoder):
    """Levels of blocks from the code to logits, beside a `path`."""

    path: BlockSynthesis | LinearPath | None
    from_code: nn.Conv2d | nn.Linear

    def __init__(self, pyramid: Pyramid, logits: int, upsampling: Upsampling):
        super().__init__()
        self.pyramid = pyramid
        self.activation = pyramid.activation
        self.activate = ACTIVATIONS[pyramid.activation]
        widths = pyramid.widths[::-1]
        channels = logits // math.prod(pyramid.picture[1:])
        self.path = build_path_from_code(pyramid, channels) if pyramid.has_path else None
        if pyramid.is_dense:
            self.from_code = Linear(pyramid.units, widths[0] * math.prod(pyramid.places))
        else:
            self.from_code = nn.Conv2d(pyramid.units_of_place, widths[0], 3, padding=1)
        self.layers = nn.ModuleList(reversed(pyramid.build_levels()))
        self.doublings = nn.ModuleList(Doubling(a, b, upsampling) for a, b in pairwise(widths))
        self.norm = build_norm(widths[-1], pyramid.norm)
        self.to_pixels = Doubling(widths[-1], channels, upsampling, kernel=3)
        self.bias = nn.Parameter(torch.zeros(logits if pyramid.is_dense else channels))
        initialise_layers([self.from_code], "linear")

    def forward(self, z: Tensor) -> Tensor:
        if self.pyramid.is_dense:
            h = self.from_code(z).unflatten(1, (-1, *self.pyramid.places))
            logits = self.crop(self.climb(h)).flatten(1) + self.bias
            if self.path is not None:
                logits = logits + self.path(z)
            return logits.unflatten(1, (-1, *self.pyramid.picture[1:]))
        code = z.unflatten(1, (*self.pyramid.places, -1)).permute(0, 3, 1, 2)
        return self.crop(self.decode_grid(code))

    def decode_grid(self, code: Tensor) -> Tensor:
        """code (N, channels, h, w) -> logits (N, C, h * stride, w * stride), for a spatial code."""
        code = order_channels_last(code)
        logits = self.climb(self.from_code(code)) + self.bias[:, None, None]
        return logits if self.path is None else logits + self.path(code)

    def climb(self, h: Tensor) -> Tensor:
        """Return what the blocks give for the coarsest level h: (N, C, H, W), without a bias."""
        h = order_channels_last(h)
        for i, level in enumerate(self.layers):
            h = level(self.doublings[i - 1](h) if i else h)
        return self.to_pixels(self.activate(self.norm(h)))

    def crop(self, x: Tensor) -> Tensor:
        """Return x (N, C, H, W) without what the encoder had to add to the picture."""
        _, height, width = self.pyramid.picture
        return x[..., :height, :width]

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer: one value per channel, of a dense code one per logit."""
        return self.bias

    @property
    def path_bias(self) -> Tensor:
        if self.pyramid.is_dense:
            return self.bias
        return self.bias[:, None].expand(-1, self.pyramid.stride**2).flatten()

    @torch.no_grad()
    def begin_path(self, directions: Tensor, bias: Tensor) -> None:
        zero_layer(self.to_pixels.layer)
        if isinstance(self.path, BlockSynthesis):
            self.path.set_central_blocks(directions.t())
        elif self.path is not None:
            self.path.weight[:, : directions.shape[1]] = directions / self.path.gain
        self.bias.copy_(bias.view(len(self.bias), -1).mean(1))


def build_path_into_code(pyramid: Pyramid) -> BlockAnalysis | LinearPath:
    """Return the linear map of an encoder: of blocks, or of whole pictures to a dense code."""
    if pyramid.is_dense:
        return LinearPath(math.prod(pyramid.picture), pyramid.units, TRANSFORM_GAIN)
    return BlockAnalysis(pyramid.units_of_place, pyramid.picture[0], pyramid.stride)


def build_path_from_code(pyramid: Pyramid, channels: int) -> BlockSynthesis | LinearPath:
    """Return the linear map of a decoder of pictures with so many channels."""
    if pyramid.is_dense:
        logits = channels * math.prod(pyramid.picture[1:])
        return LinearPath(pyramid.units, logits, TRANSFORM_GAIN)
    return BlockSynthesis(pyramid.units_of_place, channels, pyramid.stride)


def pad_to_stride(x: Tensor, stride: int) -> Tensor:
    """Return x (N, C, H, W), continued by its last pixels to sides that are multiples."""
    below, right = (-side % stride for side in x.shape[2:])
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
