"""Steps of fully connected networks: mlp and ensemble."""

from __future__ import annotations

from torch import nn

from aecore.explorer.step_writer import (
    Step,
    StepWriter,
    get_weight_and_bias,
    write_activation_step,
)
from aecore.model.parts.networks.ensemble import EnsembleDecoder, EnsembleEncoder
from aecore.model.parts.networks.mlp import LinearPath, MlpDecoder, MlpEncoder


def write_mlp_encoder_steps(writer: StepWriter, encoder: MlpEncoder) -> list[Step]:
    """Return a linear step for each layer, with the non-linearity behind all but the last."""
    steps: list[Step] = []
    for i, layer in enumerate(encoder.layers):
        norm = encoder.norms[i] if i < len(encoder.norms) else None
        steps += writer.write_linear(f"encoder.{i}", *get_weight_and_bias(layer), norm)
        if norm is not None:
            steps += write_activation_step(encoder.activation)
    return write_path_step(writer, "encoder", encoder.path, steps)


def write_path_step(
    writer: StepWriter, name: str, path: LinearPath | None, steps: list[Step]
) -> list[Step]:
    """Return the step that adds a linear path to what `steps` give; these alone without one."""
    if path is None:
        return steps
    weight = writer.add_tensor(f"{name}.path.weight", path.kernel)
    return [{"op": "path", "weight": weight, "steps": steps}]


def write_mlp_decoder_steps(writer: StepWriter, decoder: MlpDecoder) -> list[Step]:
    """Return a linear step for each layer, with the non-linearity behind all but the last."""
    steps: list[Step] = []
    for i in range(len(decoder.norms) + 1):
        norm = decoder.norms[i] if i < len(decoder.norms) else None
        steps += write_decoder_layer(writer, decoder, i, norm)
        if norm is not None:
            steps += write_activation_step(decoder.activation)
    return write_path_step(writer, "decoder", decoder.path, steps)


def write_decoder_layer(
    writer: StepWriter, decoder: MlpDecoder, i: int, norm: nn.Module | None
) -> list[Step]:
    """Return the steps of the i-th layer, whose weight may be the encoder's, transposed."""
    name = f"decoder.{i}"
    if decoder.tied_layers is None:
        return writer.write_linear(name, *get_weight_and_bias(decoder.layers[i]), norm)
    weight, bias = decoder.tied_layers[i].weight, decoder.biases[i]
    if isinstance(norm, nn.BatchNorm1d):  # folded in, the weight is no longer the encoder's
        return writer.write_linear(name, weight.t(), bias, norm)
    step = writer.write_layer("linear", name, weight, bias, transposed=True)
    return [step, *writer.write_layer_norm(name, norm)]


def write_dense_steps(
    writer: StepWriter, name: str, part: EnsembleEncoder | EnsembleDecoder
) -> list[Step]:
    """Return linear steps that do what all members of an ensemble do."""
    steps: list[Step] = []
    for i, (weight, bias) in enumerate(part.list_dense_layers()):
        steps += write_activation_step(part.stack.activation) if i else []
        steps += writer.write_linear(f"{name}.{i}", weight, bias)
    return steps
