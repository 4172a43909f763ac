"""Fully connected networks of several models as one, for batches as in joint_layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

from torch import nn

from aecore.model.parts.joint_layers import SeparateLayers, StackedLinear
from aecore.model.parts.linear import MIN_ONEDNN_WORK, Linear, onednn_is_faster
from aecore.model.parts.networks.base import Decoder, Encoder
from aecore.model.parts.networks.mlp import MlpDecoder, MlpEncoder


def join_encoders(encoders: Sequence[Encoder], batch_size: int) -> MlpEncoder:
    """Return one encoder that does to batches of `batch_size` for each model what these do."""
    own = [encoder for encoder in encoders if isinstance(encoder, MlpEncoder)]
    joint = copy.deepcopy(own[0])
    joint.layers = join_lists([encoder.layers for encoder in own], batch_size)
    joint.norms = join_lists([encoder.norms for encoder in own], batch_size)
    path = join_layers([encoder.path for encoder in own], batch_size)
    if path is not None:
        joint.add_module("path", path)
    return joint


def join_decoders(decoders: Sequence[Decoder], batch_size: int) -> MlpDecoder:
    """Return one decoder that does to batches of `batch_size` for each model what these do."""
    own = [decoder for decoder in decoders if isinstance(decoder, MlpDecoder)]
    joint = copy.deepcopy(own[0])
    if joint.tied_layers is None:
        joint.layers = join_lists([decoder.layers for decoder in own], batch_size)
    else:
        count = len(joint.tied_layers)
        joint.tied_layers = None
        joint.layers = nn.ModuleList(
            SeparateLayers([partial(decoder.apply_layer, i) for decoder in own])
            for i in range(count)
        )
    joint.norms = join_lists([decoder.norms for decoder in own], batch_size)
    path = join_layers([decoder.path for decoder in own], batch_size)
    if path is not None:
        joint.add_module("path", path)
    return joint


def join_lists(lists: Sequence[nn.ModuleList], batch_size: int) -> nn.ModuleList:
    """Return a list of joint layers, of those at the same place in each list."""
    joint = (join_layers(layers, batch_size) for layers in zip(*lists, strict=True))
    return nn.ModuleList(layer for layer in joint if layer is not None)


def join_layers(layers: Sequence[nn.Module | None], batch_size: int) -> nn.Module | None:
    """Return one layer for layers of one shape, which may have no weights, or be absent.

    Only small products gain by being made together.
    """
    own = [layer for layer in layers if layer is not None]
    if not own or not list(own[0].parameters()):
        return layers[0]
    linear = [layer for layer in own if isinstance(layer, Linear)]
    if linear and not is_faster_alone(linear[0], batch_size):
        return StackedLinear(linear)
    return SeparateLayers(own)


def is_faster_alone(layer: Linear, batch_size: int) -> bool:
    """Return True where oneDNN multiplies, which has no batches of products."""
    return batch_size * layer.weight.numel() >= MIN_ONEDNN_WORK and onednn_is_faster()
