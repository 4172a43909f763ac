"""Small random checkpoints as the library diffusers publishes them, by a key layout of our own.

A checkpoint is a folder with config.json and diffusion_pytorch_model.safetensors; the tests and
`bench.pretrained` make such.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]

SMALL_TINY: dict[str, Any] = {
    "_class_name": "AutoencoderTiny",
    "_diffusers_version": "0.42.1",
    "in_channels": 3,
    "out_channels": 3,
    "encoder_block_out_channels": [8, 8, 8],
    "decoder_block_out_channels": [12, 12, 12],
    "num_encoder_blocks": [1, 2, 1],
    "num_decoder_blocks": [2, 1, 1],
    "latent_channels": 4,
    "act_fn": "relu",
    "scaling_factor": 1.0,
}
TAESD: dict[str, Any] = {
    **SMALL_TINY,
    "encoder_block_out_channels": [64] * 4,
    "decoder_block_out_channels": [64] * 4,
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
}
SMALL_KL: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.42.1",
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [8, 16, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "act_fn": "silu",
    "sample_size": 32,
    "scaling_factor": 0.18215,
}
BARE_KL = {  # as of newer diffusion models
    **SMALL_KL,
    "latent_channels": 16,
    "layers_per_block": 2,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "mid_block_add_attention": False,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
}
KL_F8 = {
    **SMALL_KL,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
EARLIER_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


# -- names and shapes of tensors


def list_tensors(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of the tensors of a published config."""
    is_tiny = config["_class_name"] == "AutoencoderTiny"
    return dict(iterate_tiny(config) if is_tiny else iterate_kl(config))


def iterate_layer(name: str, inputs: int, outputs: int, side: int = 3, bias: bool = True) -> Shapes:
    """Yields the tensors of a convolution; of a linear layer where the side is 0."""
    yield f"{name}.weight", (outputs, inputs, side, side) if side else (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def iterate_norm(name: str, channels: int) -> Shapes:
    """Yields the tensors of a normalisation."""
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def iterate_tiny(config: Mapping[str, Any]) -> Shapes:
    """Yields the tensors of an AutoencoderTiny: layers are numbered, with those without weights."""
    codes = config["latent_channels"]
    width, place = config["encoder_block_out_channels"][0], 0
    for level, blocks in enumerate(config["num_encoder_blocks"]):
        name = f"encoder.layers.{place}"
        yield from iterate_layer(name, width if level else 3, width, bias=not level)
        for block in range(place + 1, place + 1 + blocks):
            for part in (0, 2, 4):
                yield from iterate_layer(f"encoder.layers.{block}.conv.{part}", width, width)
        place += 1 + blocks
    yield from iterate_layer(f"encoder.layers.{place}", width, codes)
    width, place = config["decoder_block_out_channels"][0], 2
    yield from iterate_layer("decoder.layers.0", codes, width)
    last = len(config["num_decoder_blocks"]) - 1
    for level, blocks in enumerate(config["num_decoder_blocks"]):
        for block in range(place, place + blocks):
            for part in (0, 2, 4):
                yield from iterate_layer(f"decoder.layers.{block}.conv.{part}", width, width)
        place += blocks + (level < last)  # behind an upsampling
        outputs = width if level < last else 3
        yield from iterate_layer(f"decoder.layers.{place}", width, outputs, bias=level == last)
        place += 1


def iterate_kl(config: Mapping[str, Any]) -> Shapes:
    """Yields the tensors of an AutoencoderKL."""
    widths, blocks = config["block_out_channels"], config["layers_per_block"]
    codes, last = config["latent_channels"], len(config["block_out_channels"]) - 1
    yield from iterate_layer("encoder.conv_in", 3, widths[0])
    before = widths[0]
    for level, width in enumerate(widths):
        head = f"encoder.down_blocks.{level}"
        yield from iterate_blocks(head, before, width, blocks)
        if level < last:
            yield from iterate_layer(f"{head}.downsamplers.0.conv", width, width)
        before = width
    yield from iterate_middle("encoder", config)
    yield from iterate_norm("encoder.conv_norm_out", before)
    yield from iterate_layer("encoder.conv_out", before, 2 * codes)
    if config.get("use_quant_conv", True):
        yield from iterate_layer("quant_conv", 2 * codes, 2 * codes, 1)
    if config.get("use_post_quant_conv", True):
        yield from iterate_layer("post_quant_conv", codes, codes, 1)
    yield from iterate_layer("decoder.conv_in", codes, before)
    yield from iterate_middle("decoder", config)
    for level, width in enumerate(reversed(widths)):
        head = f"decoder.up_blocks.{level}"
        yield from iterate_blocks(head, before, width, blocks + 1)
        if level < last:
            yield from iterate_layer(f"{head}.upsamplers.0.conv", width, width)
        before = width
    yield from iterate_norm("decoder.conv_norm_out", before)
    yield from iterate_layer("decoder.conv_out", before, 3)


def iterate_blocks(head: str, before: int, width: int, count: int) -> Shapes:
    """Yields the tensors of the residual blocks of a level."""
    for i in range(count):
        inputs, name = width if i else before, f"{head}.resnets.{i}"
        yield from iterate_norm(f"{name}.norm1", inputs)
        yield from iterate_layer(f"{name}.conv1", inputs, width)
        yield from iterate_norm(f"{name}.norm2", width)
        yield from iterate_layer(f"{name}.conv2", width, width)
        if inputs != width:
            yield from iterate_layer(f"{name}.conv_shortcut", inputs, width, 1)


def iterate_middle(part: str, config: Mapping[str, Any]) -> Shapes:
    """Yields the tensors of the middle of the encoder or the decoder."""
    width, head = config["block_out_channels"][-1], f"{part}.mid_block"
    yield from iterate_blocks(head, width, width, 2)
    if config.get("mid_block_add_attention", True):
        yield from iterate_norm(f"{head}.attentions.0.group_norm", width)
        for name in EARLIER_ATTENTION:
            yield from iterate_layer(f"{head}.attentions.0.{name}", width, width, 0)


# -- checkpoints


def draw_weights(config: Mapping[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Draws weights that keep the size of what goes through, the same on every machine."""
    chance, weights = np.random.default_rng(seed), {}
    for name, shape in list_tensors(config).items():
        values = chance.standard_normal(shape)
        if len(shape) > 1:
            values /= math.sqrt(math.prod(shape[1:]))
        else:
            values = 0.2 * values + ("norm" in name and name.endswith("weight"))
        weights[name] = torch.from_numpy(values.astype(np.float32))
    return weights


def name_as_before(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights with the names that layers of attention had before diffusers 0.12."""
    renamed = {}
    for name, tensor in weights.items():
        for new, earlier in EARLIER_ATTENTION.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{earlier}.")
        renamed[name] = tensor
    return renamed


def write_published(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None
) -> Path:
    """Writes a checkpoint, of random weights where none are given; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = draw_weights(config) if weights is None else weights
    save_file(dict(tensors), folder / "diffusion_pytorch_model.safetensors")
    return folder


def draw_pictures(count: int, side: int, seed: int = 1) -> Tensor:
    """Draws pictures (count, 3, side, side) in [0, 1], the same on every machine."""
    values = np.random.default_rng(seed).random((count, 3, side, side))
    return torch.from_numpy(values.astype(np.float32))
