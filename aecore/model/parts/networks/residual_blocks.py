"""The modules of residual networks: blocks, attention, resampling, and transforms of blocks."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.model.parts.linear import is_tracing
from aecore.model.parts.networks.base import ACTIVATIONS, initialise_layers

Downsampling = Literal["strided", "unshuffle"]
Upsampling = Literal["nearest", "shuffle"]
Norm = Literal["group", "none"]

MAX_GROUPS = 8  # of channels that are normalised together
# Adam moves all weights by as much a step. Those of a block transform are a sum over a thousand
# pixels, which are alike: they are kept in larger units, so that they move by less.
TRANSFORM_GAIN = 1 / 16


def build_norm(channels: int, kind: Norm) -> nn.Module:
    """Return the normalisation for so many channels.

    group: Wu & He (2018), Group Normalization, whose statistics are of the whole picture.
    """
    if kind == "none":
        return nn.Identity()
    return nn.GroupNorm(math.gcd(channels, MAX_GROUPS), channels)


def order_channels_last(x: Tensor) -> Tensor:
    """Return x (N, C, H, W) with the channels of a pixel beside each other in memory.

    Convolutions are faster so. Exports and torch.func know one order alone.
    """
    if is_tracing() or x.device.type not in ("cpu", "cuda"):
        return x
    return x.contiguous(memory_format=torch.channels_last)


class ResidualBlock(nn.Module):
    """h + W2 * f(W1 * f(norm(h))) for a 3 x 3 and a 1 x 1 convolution, (N, channels, H, W).

    The order is that of He et al. (2016), Identity Mappings in Deep Residual Networks; the kernels
    are those of VQ-VAE's blocks. W2 begins at zero: a block begins as the identity.
    """

    def __init__(self, channels: int, activation: str, norm: Norm):
        super().__init__()
        self.activate = ACTIVATIONS[activation]
        self.norm = build_norm(channels, norm)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 1)
        initialise_layers([self.first], activation)
        zero_layer(self.last)

    def forward(self, h: Tensor) -> Tensor:
        inner = self.first(self.activate(self.norm(h)))
        return h + self.last(self.activate(inner))


class SpatialAttention(nn.Module):
    """h + W softmax(Q^T K / sqrt(channels)) V of the places of a grid, (N, channels, H, W).

    One head (Vaswani et al., 2017); W begins at zero.
    """

    def __init__(self, channels: int, norm: Norm):
        super().__init__()
        self.norm = build_norm(channels, norm)
        self.queries = nn.Conv2d(channels, 3 * channels, 1)  # keys and values too
        self.last = nn.Conv2d(channels, channels, 1)
        initialise_layers([self.queries], "linear")
        zero_layer(self.last)

    def forward(self, h: Tensor) -> Tensor:
        places = self.queries(self.norm(h)).flatten(2).transpose(1, 2)  # (N, H W, 3 channels)
        queries, keys, values = places.unsqueeze(1).chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(queries, keys, values).squeeze(1)
        return h + self.last(mixed.transpose(1, 2).unflatten(2, h.shape[2:]))


class Halving(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, H / 2, W / 2).

    strided: a 3 x 3 convolution of stride 2. unshuffle: a 2 x 2 one, which is the same as a 1 x 1
    convolution of the four pixels of a square as channels.
    """

    def __init__(self, inputs: int, outputs: int, way: Downsampling):
        super().__init__()
        kernel, padding = (3, 1) if way == "strided" else (2, 0)
        self.layer = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=padding)
        initialise_layers([self.layer], "linear")

    def forward(self, h: Tensor) -> Tensor:
        return self.layer(h)


class Doubling(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, 2 H, 2 W).

    nearest: each pixel four times, then a 3 x 3 convolution. shuffle: a convolution gives four
    times the channels, which become the pixels of a square (Shi et al., 2016).
    """

    def __init__(self, inputs: int, outputs: int, way: Upsampling, kernel: int = 1):
        super().__init__()
        self.way = way
        outputs, kernel = (outputs, 3) if way == "nearest" else (4 * outputs, kernel)
        self.layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        initialise_layers([self.layer], "linear")

    def forward(self, h: Tensor) -> Tensor:
        if self.way == "nearest":
            return self.layer(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.layer(h), 2)


class BlockTransform(nn.Module):
    """A linear transform of the overlapping blocks of pictures, `stride` pixels apart.

    `kernel` (units, channels, 2 stride, 2 stride) is of a block with half a block on each side. It
    is zero until `start_as_pca` sets it to the transform of Karhunen and Loève of blocks that do
    not overlap.
    """

    def __init__(self, units: int, channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.zeros(units, channels, 2 * stride, 2 * stride))

    @property
    def kernel(self) -> Tensor:
        """The kernel of the convolution: of stride `stride`, padded by half as much."""
        return self.weight * TRANSFORM_GAIN

    def fold_kernel(self) -> Tensor:
        """Return the kernel for pictures whose half blocks are channels: (units, channels, 4, 4).

        Products with it are the same ones, and many times as fast.
        """
        return F.pixel_unshuffle(self.kernel, self.stride // 2)

    @torch.no_grad()
    def set_central_blocks(self, blocks: Tensor) -> None:
        """Set the kernel to `blocks` (K, channels * stride * stride), and to zero around them.

        K is at most `units`; the others become zero.
        """
        half, end = self.stride // 2, self.stride // 2 + self.stride
        self.weight.zero_()
        centre = self.weight[: len(blocks), :, half:end, half:end]
        centre.copy_(blocks.view_as(centre) / TRANSFORM_GAIN)


class BlockAnalysis(BlockTransform):
    """x (N, channels, H, W) -> (N, units, H / stride, W / stride)."""

    def forward(self, x: Tensor) -> Tensor:
        blocks = F.pixel_unshuffle(x, self.stride // 2)
        return F.conv2d(blocks, self.fold_kernel(), stride=2, padding=1)


class BlockSynthesis(BlockTransform):
    """code (N, units, h, w) -> (N, channels, h * stride, w * stride)."""

    def forward(self, code: Tensor) -> Tensor:
        blocks = F.conv_transpose2d(code, self.fold_kernel(), stride=2, padding=1)
        return F.pixel_shuffle(blocks, self.stride // 2)


def cut_blocks(x: Tensor, stride: int) -> Tensor:
    """Return the blocks of pictures x (N, C, H, W) as rows (N * places, C * stride * stride)."""
    return F.pixel_unshuffle(x, stride).permute(0, 2, 3, 1).flatten(0, 2)


def zero_layer(layer: nn.Conv2d | nn.Linear) -> None:
    """Set the weights and biases of a layer to zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
