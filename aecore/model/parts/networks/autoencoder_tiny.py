"""Small distilled autoencoders, such as TAESD: plain convolutions, with a deterministic code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
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

CODE_BOUND = 3.0  # codes are bent towards it before they are decoded

TinyWidth = Annotated[int, Field(ge=1, le=1024)]
BlockCounts = tuple[Annotated[int, Field(ge=0, le=16)], ...]


class AutoencoderTiny(PretrainedNetwork):
    """Published weights of diffusers' AutoencoderTiny: levels of residual convolutions, no norms.

    Bohan (2023), Tiny AutoEncoder for Stable Diffusion, github.com/madebyollin/taesd.
    """

    kind: Literal["autoencoder_tiny"] = "autoencoder_tiny"
    activation: Literal["relu"] = "relu"
    encoder_width: TinyWidth = Field(64, description="Channels of the encoder.")
    decoder_width: TinyWidth = Field(64, description="Channels of the decoder.")
    encoder_blocks: BlockCounts = Field(
        (1, 3, 3, 3),
        min_length=1,
        max_length=8,
        description="Blocks of each level of the encoder, from the finest on.",
    )
    decoder_blocks: BlockCounts = Field(
        (3, 3, 3, 1),
        min_length=1,
        max_length=8,
        description="Blocks of each level of the decoder, from the coarsest on.",
    )

    layout: ClassVar[str] = "AutoencoderTiny"

    @model_validator(mode="after")
    def check(self) -> AutoencoderTiny:
        """Raise ValueError unless encoder and decoder have as many levels."""
        if len(self.encoder_blocks) != len(self.decoder_blocks):
            raise ValueError("encoder and decoder have as many levels each")
        return self

    @property
    def levels(self) -> int:
        return len(self.encoder_blocks)

    @classmethod
    def from_layout(cls, values: Mapping[str, Any], **about: str) -> Self:
        check_setting(values, "in_channels", COLOUR_CHANNELS)
        check_setting(values, "out_channels", COLOUR_CHANNELS)
        check_setting(values, "act_fn", "relu")
        check_setting(values, "upsample_fn", "nearest")
        check_setting(values, "upsampling_scaling_factor", 2)
        options = {
            "latent_channels": values.get("latent_channels", 4),
            "encoder_width": read_width(values, "encoder_block_out_channels"),
            "decoder_width": read_width(values, "decoder_block_out_channels"),
            "encoder_blocks": values.get("num_encoder_blocks", (1, 3, 3, 3)),
            "decoder_blocks": values.get("num_decoder_blocks", (3, 3, 3, 1)),
            "scaling_factor": values.get("scaling_factor", 1.0),
            "shift_factor": values.get("shift_factor") or 0.0,
        }
        return cls.model_validate({**options, **about})

    def build_layers(self) -> tuple[TinyEncoder, TinyDecoder]:
        return TinyEncoder(self), TinyDecoder(self)


class TinyBlock(nn.Module):
    """max(0, h + c(h)) for three convolutions c, (N, width, H, W)."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, h: Tensor) -> Tensor:
        return torch.relu(h + self.conv(h))


class TinyEncoder(PretrainedEncoder):
    """Levels of blocks, each after the first behind a convolution of stride 2."""

    def __init__(self, options: AutoencoderTiny):
        super().__init__()
        width, layers = options.encoder_width, list[nn.Module]()
        for i, count in enumerate(options.encoder_blocks):
            if i:
                layers.append(nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False))
            else:
                layers.append(nn.Conv2d(COLOUR_CHANNELS, width, 3, padding=1))
            layers += (TinyBlock(width) for _ in range(count))
        layers.append(nn.Conv2d(width, options.latent_channels, 3, padding=1))
        self.layers = nn.ModuleList(layers)

    def encode_grid(self, x: Tensor) -> Tensor:
        return pass_through(self.layers, order_channels_last(x))

    @property
    def head(self) -> nn.Conv2d:
        head = self.layers[-1]
        assert isinstance(head, nn.Conv2d)
        return head


class TinyDecoder(PretrainedDecoder):
    """Levels of blocks, each but the last before an upsampling by 2 and a convolution."""

    def __init__(self, options: AutoencoderTiny):
        super().__init__()
        width = options.decoder_width
        layers = [nn.Conv2d(options.latent_channels, width, 3, padding=1), nn.ReLU()]
        for i, count in enumerate(options.decoder_blocks, 1):
            layers += (TinyBlock(width) for _ in range(count))
            if i < options.levels:
                layers.append(nn.Upsample(scale_factor=2))
                layers.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
        layers.append(nn.Conv2d(width, COLOUR_CHANNELS, 3, padding=1))
        self.layers = nn.ModuleList(layers)

    def decode_grid(self, code: Tensor) -> Tensor:
        bent = torch.tanh(code / CODE_BOUND) * CODE_BOUND
        return pass_through(self.layers, order_channels_last(bent))

    @property
    def output_bias(self) -> nn.Parameter:
        bias = self.layers[-1].bias
        assert isinstance(bias, nn.Parameter)
        return bias


def read_width(values: Mapping[str, Any], name: str) -> Any:
    """Return how many channels all levels have; ValueError where they differ."""
    widths = values.get(name, (64,))
    if not isinstance(widths, list | tuple) or len(set(map(str, widths))) != 1:
        raise ValueError(f"{name} has one number for all levels here, got {widths!r:.60}")
    return widths[0]
