"""Large autoencoders of latent diffusion, such as KL-f8: residual blocks with a Gaussian code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from aecore.model.parts.networks.pretrained import (
    COLOUR_CHANNELS,
    PretrainedDecoder,
    PretrainedEncoder,
    PretrainedNetwork,
    check_setting,
    pass_through,
)
from aecore.model.parts.networks.residual_blocks import order_channels_last

NORM_EPS = 1e-6
MAX_ATTENDED = 4096  # places that attend to each other: of 512 pixels a side with four levels
# of attention, as checkpoints before diffusers 0.12 name its layers
EARLIER_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class AutoencoderKl(PretrainedNetwork):
    """Published weights of diffusers' AutoencoderKL: residual blocks, attention at the coarsest.

    Rombach et al. (2022), High-Resolution Image Synthesis with Latent Diffusion Models.
    """

    kind: Literal["autoencoder_kl"] = "autoencoder_kl"
    activation: Literal["silu"] = "silu"
    channels: tuple[Annotated[int, Field(ge=1, le=2048)], ...] = Field(
        (128, 256, 512, 512),
        min_length=1,
        max_length=8,
        description="Channels of each level, from the finest on.",
    )
    blocks: int = Field(2, ge=1, le=16, description="Blocks of a level; the decoder has one more.")
    groups: int = Field(32, ge=1, le=1024, description="Groups of channels that are normalised.")
    attention: bool = Field(True, description="Places of the coarsest level attend to each other.")
    quantised: bool = Field(True, description="A 1 x 1 convolution gives the code.")
    dequantised: bool = Field(True, description="Another one takes it.")

    layout: ClassVar[str] = "AutoencoderKL"
    values_per_unit: ClassVar[int] = 2  # a mean and a log variance

    @model_validator(mode="after")
    def check(self) -> AutoencoderKl:
        """Raise ValueError unless the channels of all levels make groups."""
        if any(width % self.groups for width in self.channels):
            raise ValueError(f"channels are multiples of the {self.groups} groups")
        return self

    @property
    def levels(self) -> int:
        return len(self.channels)

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        super().check_input_shape(input_shape)
        if self.attention and math.prod(self.count_places(input_shape)) > MAX_ATTENDED:
            raise ValueError(
                f"attention is among at most {MAX_ATTENDED:,} places of a code, got pictures of "
                f"{input_shape[1]} x {input_shape[2]}; take smaller ones"
            )

    def count_widest_layer(self, input_shape: Sequence[int]) -> int:
        attended = math.prod(self.count_places(input_shape)) ** 2 if self.attention else 0
        return max(attended, super().count_widest_layer(input_shape))

    @classmethod
    def from_layout(cls, values: Mapping[str, Any], **about: str) -> Self:
        channels = values.get("block_out_channels", (64,))
        check_setting(values, "in_channels", COLOUR_CHANNELS)
        check_setting(values, "out_channels", COLOUR_CHANNELS)
        check_setting(values, "act_fn", "silu", "swish")
        for name, block in (("down", "DownEncoderBlock2D"), ("up", "UpDecoderBlock2D")):
            for kind in values.get(f"{name}_block_types", (block,)):
                check_setting({"block": kind}, "block", block)
        options = {
            "latent_channels": values.get("latent_channels", 4),
            "channels": channels,
            "blocks": values.get("layers_per_block", 1),
            "groups": values.get("norm_num_groups", 32),
            "attention": values.get("mid_block_add_attention", True),
            "quantised": values.get("use_quant_conv", True),
            "dequantised": values.get("use_post_quant_conv", True),
            "scaling_factor": values.get("scaling_factor", 0.18215),
            "shift_factor": values.get("shift_factor") or 0.0,
        }
        return cls.model_validate({**options, **about})

    @staticmethod
    def rename_weight(name: str) -> str:
        if name.startswith("quant_conv."):
            return f"encoder.{name}"
        if name.startswith("post_quant_conv."):
            return f"decoder.{name}"
        if ".attentions." not in name:
            return name
        head, layer, kind = name.rsplit(".", 2)
        return f"{head}.{EARLIER_NAMES.get(layer, layer)}.{kind}"

    def build_layers(self) -> tuple[KlEncoder, KlDecoder]:
        return KlEncoder(self), KlDecoder(self)


class KlBlock(nn.Module):
    """s(h) + W2 f(norm(W1 f(norm(h)))), (N, inputs, H, W) -> (N, outputs, H, W).

    W1 and W2 are 3 x 3 convolutions; s is a 1 x 1 one where the channels change.
    """

    def __init__(self, inputs: int, outputs: int, groups: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, NORM_EPS)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, NORM_EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(h)))
        return self.conv_shortcut(h) + self.conv2(F.silu(self.norm2(inner)))


class KlAttention(nn.Module):
    """h + W softmax(Q^T K / sqrt(channels)) V of all places, one head, (N, channels, H, W)."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, NORM_EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, h: Tensor) -> Tensor:
        places = self.group_norm(h).flatten(2).transpose(1, 2)  # (N, H W, channels)
        queries = self.to_q(places) / math.sqrt(h.shape[1])
        # not torch's own kernel, which has no tangents
        shares = (queries @ self.to_k(places).transpose(1, 2)).softmax(2)
        out = self.to_out[0](shares @ self.to_v(places))
        return h + out.transpose(1, 2).unflatten(2, h.shape[2:])


class KlMiddle(nn.Module):
    """Two blocks of the coarsest level, with attention between them where the options say so."""

    def __init__(self, options: AutoencoderKl):
        super().__init__()
        width, groups = options.channels[-1], options.groups
        self.resnets = nn.ModuleList(KlBlock(width, width, groups) for _ in range(2))
        count = 1 if options.attention else 0
        self.attentions = nn.ModuleList(KlAttention(width, groups) for _ in range(count))

    def forward(self, h: Tensor) -> Tensor:
        h = self.resnets[0](h)
        for attention in self.attentions:
            h = attention(h)
        return self.resnets[1](h)


class KlHalving(nn.Module):
    """(N, channels, H, W) -> (N, channels, H / 2, W / 2), with zeros below and to the right."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(F.pad(h, (0, 1, 0, 1)))


class KlDoubling(nn.Module):
    """(N, channels, H, W) -> (N, channels, 2 H, 2 W), by nearest neighbours and a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))


class KlLevel(nn.Module):
    """Blocks of one level, then the step to the next one, under the name that the layout has."""

    def __init__(self, inputs: int, width: int, blocks: int, groups: int, **step: nn.Module):
        super().__init__()
        widths = [inputs, *[width] * (blocks - 1)]
        self.resnets = nn.ModuleList(KlBlock(before, width, groups) for before in widths)
        for name, module in step.items():
            self.add_module(name, nn.ModuleList([module]))

    def forward(self, h: Tensor) -> Tensor:
        for parts in self.children():
            assert isinstance(parts, nn.ModuleList)
            h = pass_through(parts, h)
        return h


class KlEncoder(PretrainedEncoder):
    """Levels from the picture to the middle, then the means and log variances of the code."""

    values_per_unit = AutoencoderKl.values_per_unit

    def __init__(self, options: AutoencoderKl):
        super().__init__()
        widths, groups = options.channels, options.groups
        outputs = self.values_per_unit * options.latent_channels
        self.conv_in = nn.Conv2d(COLOUR_CHANNELS, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for i, (before, width) in enumerate(pairwise([widths[0], *widths]), 1):
            step = {"downsamplers": KlHalving(width)} if i < len(widths) else {}
            self.down_blocks.append(KlLevel(before, width, options.blocks, groups, **step))
        self.mid_block = KlMiddle(options)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], outputs, 3, padding=1)
        self.quant_conv = nn.Conv2d(outputs, outputs, 1) if options.quantised else nn.Identity()

    def encode_grid(self, x: Tensor) -> Tensor:
        h = self.conv_in(order_channels_last(2 * x - 1))
        h = self.mid_block(pass_through(self.down_blocks, h))
        return self.quant_conv(self.conv_out(F.silu(self.conv_norm_out(h))))

    @property
    def head(self) -> nn.Conv2d:
        return self.quant_conv if isinstance(self.quant_conv, nn.Conv2d) else self.conv_out


class KlDecoder(PretrainedDecoder):
    """The middle, then levels up to the picture."""

    def __init__(self, options: AutoencoderKl):
        super().__init__()
        channels, groups = options.latent_channels, options.groups
        widths = options.channels[::-1]
        self.post_quant_conv = (
            nn.Conv2d(channels, channels, 1) if options.dequantised else nn.Identity()
        )
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.mid_block = KlMiddle(options)
        self.up_blocks = nn.ModuleList()
        for i, (before, width) in enumerate(pairwise([widths[0], *widths]), 1):
            step = {"upsamplers": KlDoubling(width)} if i < len(widths) else {}
            self.up_blocks.append(KlLevel(before, width, options.blocks + 1, groups, **step))
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], COLOUR_CHANNELS, 3, padding=1)

    def decode_grid(self, code: Tensor) -> Tensor:
        h = self.conv_in(self.post_quant_conv(order_channels_last(code)))
        h = pass_through(self.up_blocks, self.mid_block(h))
        return (self.conv_out(F.silu(self.conv_norm_out(h))) + 1) / 2

    @property
    def output_bias(self) -> nn.Parameter:
        bias = self.conv_out.bias
        assert isinstance(bias, nn.Parameter)
        return bias
