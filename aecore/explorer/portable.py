"""A model as plain arrays and a list of steps, for runtimes without PyTorch.

The explorer decodes with them. `export_steps(model)` returns what JSON can hold, and the arrays
that it names. The three lists of steps are

    encode   x (*input_shape) -> the encoder's output: z, then ln sigma^2 of variational codes
    snap     z -> the valid code nearest to it; no step where every z is a code
    decode   z -> x^ (*input_shape), both in the data's own units

and a step is one of

    linear          weight (out, in), bias (out,); `transposed`: (in, out), that of the encoder
    path            weight (out, in) of a linear path beside `steps`: W x is added to the first
                    values of what these steps make of the same x
    add             x + bias (width,)
    grid            the steps of a grid, below
    layer_norm      weight, bias (width,), eps
    activation      kind; of the `first` values alone where that is given
    take            the `first` values
    columns         means of mixed columns: softmax of `words` [from, to], sigmoid of `flags`
                    {place, shift, scale}, rates of `counts`, ranks of `ordered` {..., cuts}
    mixture         means of `pixels`: softmax of `components` maps x `channels` maps in [0, 1]
    scale           x -> x * scale + shift
    unscale         the inverse of scale; NaN -> 0 where `missing`, no farther than `clip` from 0,
                    `clamp` to [0, 1]
    top_k           the k largest stay, by `magnitude` or value; the rest are 0
    threshold       values above `threshold` (width,) stay; the rest are 0
    nearest         parts of `dim` values become the nearest row of `codebook`, in `stages` shares
    round           to the nearest of `levels` even steps from -1 to 1
    round_to_steps  to the nearest multiple of `scale` (width,)

A grid has some channels at each place: a picture, or a code. The step `grid` has its `shape`
(height, width, channels) before the `steps`. `from` and `to` say in which order its values come
and go: "channels" first, (C, H, W), or those of each of the "places" together, (H, W, C), the
latter in `parts`, the first channels of all places before the next ones. Its steps are

    conv            weight (out, in, rows, columns), bias or none; stride, padding
    conv_transpose  weight (in, out, rows, columns), bias or none; stride, padding; to
                    `size` (H, W) where that is not (side - 1) stride - 2 padding + kernel
    upsampled_conv  nearest upsampling by 2, then weight (out, in, 3, 3), bias; padding 1
    group_norm      weight, bias (channels,), groups, eps; SiLU behind it where `silu`
    activation      kind
    sum             the sum of what each list of steps in `branches` makes of the same grid; one of
                    fewer channels is added to the first ones
    shuffle         channels to places, `factor` times as many rows and columns; `unshuffle` back
    window          from the place `start` (row, column) on, to `size` (H, W); values at the edge
                    are repeated beyond it
    attention       of the places to each other; queries, keys and values are a third of the
                    channels each

Bottlenecks and likelihoods write their own steps. Batch normalisation is folded into the layer
before it (Ioffe & Szegedy, 2015, section 3.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aecore.errors import ConfigError
from aecore.explorer.dense_steps import (
    write_dense_steps,
    write_mlp_decoder_steps,
    write_mlp_encoder_steps,
)
from aecore.explorer.grid_steps import write_conv_decoder_steps, write_conv_encoder_steps
from aecore.explorer.residual_steps import (
    write_residual_decoder_steps,
    write_residual_encoder_steps,
)
from aecore.explorer.step_writer import (
    Step,
    StepWriter,
    refuse_unknown_part,
    write_activation_step,
)
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.base import Bottleneck
from aecore.model.parts.networks.base import Decoder, Encoder
from aecore.model.parts.networks.conv import ConvDecoder, ConvEncoder
from aecore.model.parts.networks.ensemble import EnsembleDecoder, EnsembleEncoder
from aecore.model.parts.networks.mlp import MlpDecoder, MlpEncoder
from aecore.model.parts.networks.residual_pyramid import ResidualDecoder, ResidualEncoder


@torch.no_grad()
def export_steps(model: Autoencoder) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return sizes and steps of a model, for JSON, and the float32 arrays that they name.

    ConfigError if a part of it has no steps.
    """
    writer, config = StepWriter(), model.config
    if config.network.is_pretrained:
        raise ConfigError(
            "Pretrained networks do not run in a browser: the map shows codes, and not what they "
            "decode to."
        )
    encode = [
        *write_unscale_step(writer, model),
        *write_encoder_steps(writer, model.encoder),
        *write_activation_step(config.network.code_activation, config.latent_dim),
    ]
    decode = [
        *write_decoder_steps(writer, model.decoder),
        *model.likelihood.mean_steps(config.features),
        *write_scale_step(writer, model),
    ]
    description = {
        "input_shape": list(config.input_shape),
        "latent_dim": config.latent_dim,
        "outputs": model.bottleneck.inputs,
        "code_grid": config.code_grid,
        "encode": encode,
        "snap": write_snap_steps(writer, model.bottleneck),
        "decode": decode,
    }
    return description, writer.tensors


def write_encoder_steps(writer: StepWriter, encoder: Encoder) -> list[Step]:
    """Return the steps from scaled inputs to the layer that gives the code."""
    if isinstance(encoder, MlpEncoder):
        return write_mlp_encoder_steps(writer, encoder)
    if isinstance(encoder, ConvEncoder):
        return write_conv_encoder_steps(writer, encoder)
    if isinstance(encoder, EnsembleEncoder):
        return write_dense_steps(writer, "encoder", encoder)
    if isinstance(encoder, ResidualEncoder):
        return write_residual_encoder_steps(writer, encoder)
    raise refuse_unknown_part(encoder)


def write_decoder_steps(writer: StepWriter, decoder: Decoder) -> list[Step]:
    """Return the steps from the code to logits."""
    if isinstance(decoder, MlpDecoder):
        return write_mlp_decoder_steps(writer, decoder)
    if isinstance(decoder, ConvDecoder):
        return write_conv_decoder_steps(writer, decoder)
    if isinstance(decoder, EnsembleDecoder):
        return write_dense_steps(writer, "decoder", decoder)
    if isinstance(decoder, ResidualDecoder):
        return write_residual_decoder_steps(writer, decoder)
    raise refuse_unknown_part(decoder)


def write_snap_steps(writer: StepWriter, bottleneck: Bottleneck) -> list[Step]:
    """Return the bottleneck's own steps, with each tensor stored under its argument's name."""
    try:
        steps = bottleneck.snap_steps()
    except NotImplementedError as error:
        raise refuse_unknown_part(bottleneck) from error
    return [
        {
            key: writer.add_tensor(key, value) if isinstance(value, Tensor) else value
            for key, value in step.items()
        }
        for step in steps
    ]


def write_unscale_step(writer: StepWriter, model: Autoencoder) -> list[Step]:
    """Return the step from the data's units to the network's."""
    if model.config.scaling == "none":
        return []
    return [
        {
            "op": "unscale",
            **add_scaling(writer, model),
            "missing": model.config.missing,
            "clip": model.config.clip,
            "clamp": model.config.likelihood.needs_unit_interval,
        }
    ]


def write_scale_step(writer: StepWriter, model: Autoencoder) -> list[Step]:
    """Return the step from the network's units to the data's."""
    if model.config.scaling == "none":
        return []
    return [{"op": "scale", **add_scaling(writer, model)}]


def add_scaling(writer: StepWriter, model: Autoencoder) -> dict[str, str]:
    """Store shift and scale of the columns, and return their names."""
    return {
        "shift": writer.add_tensor("shift", model.shift),
        "scale": writer.add_tensor("scale", model.scale),
    }
