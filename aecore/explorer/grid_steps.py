"""Steps of networks of convolutions: what they do on a grid of places."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from aecore.explorer.step_writer import (
    Step,
    StepWriter,
    get_weight_and_bias,
    write_activation_step,
)
from aecore.model.parts.networks.conv import ConvDecoder, ConvEncoder


def write_grid_step(shape: tuple[int, ...], steps: list[Step], **options: Any) -> Step:
    """Return the step of a grid (channels, height, width), with channels first where not said."""
    channels, height, width = shape
    order = {"from": "channels", "to": "channels"}
    return {"op": "grid", "shape": [height, width, channels], **order, **options, "steps": steps}


def write_convolution(
    writer: StepWriter, name: str, layer: nn.Conv2d, bias: Tensor | None = None
) -> Step:
    """Return the step of a convolution; `bias` takes the place of the layer's own."""
    sizes = {"stride": layer.stride[0], "padding": int(layer.padding[0])}
    bias = layer.bias if bias is None else bias
    return writer.write_layer("conv", name, layer.weight, bias, **sizes)


def write_transposed_convolution(
    writer: StepWriter, name: str, layer: nn.ConvTranspose2d, size: tuple[int, ...]
) -> Step:
    """Return the step of a transposed convolution to `size` (height, width)."""
    sizes = {"stride": layer.stride[0], "padding": int(layer.padding[0]), "size": list(size)}
    return writer.write_layer("conv_transpose", name, layer.weight, layer.bias, **sizes)


# -- conv


def write_conv_encoder_steps(writer: StepWriter, encoder: ConvEncoder) -> list[Step]:
    """Return a convolution and a non-linearity for each layer, then the linear step to the code."""
    steps: list[Step] = []
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, nn.Conv2d)
        steps.append(write_convolution(writer, f"encoder.{i}", layer))
        steps += write_activation_step(encoder.activation)
    assert isinstance(encoder.layers[0], nn.Conv2d)
    grid = write_grid_step((encoder.layers[0].in_channels, *encoder.sizes[0]), steps)
    return [grid, *writer.write_linear("encoder.code", *get_weight_and_bias(encoder.to_code))]


def write_conv_decoder_steps(writer: StepWriter, decoder: ConvDecoder) -> list[Step]:
    """Return the linear step from the code, then transposed convolutions with non-linearities."""
    steps: list[Step] = []
    for i, layer in enumerate(decoder.layers):
        assert isinstance(layer, nn.ConvTranspose2d)
        steps += write_activation_step(decoder.activation)
        size = decoder.sizes[i + 1]
        steps.append(write_transposed_convolution(writer, f"decoder.{i}", layer, size))
    linear = writer.write_linear("decoder.code", *get_weight_and_bias(decoder.from_code))
    return [*linear, write_grid_step(decoder.first_shape, steps)]
