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
    conv            weight (out, in, 3, 3), bias; stride 2, padding 1; from `size` (H, W) to `to`
    conv_transpose  weight (in, out, 3, 3), bias; stride 2, padding 1; from `size` to `to`
    layer_norm      weight, bias (width,), eps
    activation      kind; of the `first` values alone where that is given
    take            the `first` values
    columns         means of mixed columns: softmax of `words` [from, to], sigmoid of `flags`
                    {place, shift, scale}, rates of `counts`, ranks of `ordered` {..., cuts}
    mixture         means of `pixels`: softmax of `components` maps x their `channels` maps
    scale           x -> x * scale + shift
    unscale         the inverse of scale; NaN -> 0 where `missing`, no farther than `clip` from 0,
                    `clamp` to [0, 1]
    top_k           the k largest stay, by `magnitude` or value; the rest are 0
    threshold       values above `threshold` (width,) stay; the rest are 0
    nearest         each part of `dim` values becomes the nearest row of `codebook`
    round           to the nearest of `levels` even steps from -1 to 1, or `round_to_steps`

Bottlenecks and likelihoods write their own steps. Batch normalisation is folded into the layer
before it (Ioffe & Szegedy, 2015, section 3.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.base import Bottleneck
from aecore.model.parts.networks.base import Decoder, Encoder
from aecore.model.parts.networks.conv import ConvDecoder, ConvEncoder
from aecore.model.parts.networks.ensemble import EnsembleDecoder, EnsembleEncoder
from aecore.model.parts.networks.mlp import MlpDecoder, MlpEncoder

Step = dict[str, Any]


@torch.no_grad()
def export_steps(model: Autoencoder) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return sizes and steps of a model, for JSON, and the float32 arrays that they name.

    ConfigError if a part of it has no steps.
    """
    writer, config = StepWriter(), model.config
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
        "encode": encode,
        "snap": write_snap_steps(writer, model.bottleneck),
        "decode": decode,
    }
    return description, writer.tensors


class StepWriter:
    """Collects the arrays of one model under their names, and writes steps that refer to them."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: list[tuple[Tensor, str]] = []

    def add_tensor(self, name: str, tensor: Tensor) -> str:
        """Store a tensor and return its name; tied weights are stored once, by the first name."""
        for stored, stored_name in self._names:
            if stored is tensor:
                return stored_name
        self._names.append((tensor, name))
        self.tensors[name] = tensor.detach().float().cpu()
        return name

    def write_layer(self, op: str, name: str, weight: Tensor, bias: Tensor, **options: Any) -> Step:
        """Return the step of a layer with a weight and a bias."""
        return {
            "op": op,
            "weight": self.add_tensor(f"{name}.weight", weight),
            "bias": self.add_tensor(f"{name}.bias", bias),
            **options,
        }

    def write_linear(
        self, name: str, weight: Tensor, bias: Tensor, norm: nn.Module | None = None
    ) -> list[Step]:
        """Return the steps of an affine layer and the normalisation behind it."""
        if isinstance(norm, nn.BatchNorm1d):
            assert norm.running_var is not None and norm.running_mean is not None
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight, bias = weight * factor[:, None], (bias - norm.running_mean) * factor + norm.bias
        step = self.write_layer("linear", name, weight, bias)
        return [step, *self.write_layer_norm(name, norm)]

    def write_layer_norm(self, name: str, norm: nn.Module | None) -> list[Step]:
        """Return the step of a layer normalisation; none for another module."""
        if not isinstance(norm, nn.LayerNorm):
            return []
        step = self.write_layer("layer_norm", f"{name}.norm", norm.weight, norm.bias)
        return [{**step, "eps": norm.eps}]


def write_activation_step(kind: str, first: int | None = None) -> list[Step]:
    """Return the step of a non-linearity, of the `first` values alone where given."""
    if kind == "linear":
        return []
    step: Step = {"op": "activation", "kind": kind}
    return [step if first is None else {**step, "first": first}]


# -- encoders


def write_encoder_steps(writer: StepWriter, encoder: Encoder) -> list[Step]:
    """Return the steps from scaled inputs to the layer that gives the code."""
    if isinstance(encoder, MlpEncoder):
        return write_mlp_encoder_steps(writer, encoder)
    if isinstance(encoder, ConvEncoder):
        return write_conv_encoder_steps(writer, encoder)
    if isinstance(encoder, EnsembleEncoder):
        return write_dense_steps(writer, "encoder", encoder)
    raise refuse_unknown_part(encoder)


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
    writer: StepWriter, name: str, path: nn.Linear | None, steps: list[Step]
) -> list[Step]:
    """Return the step that adds a linear path to what `steps` give; these alone without one."""
    if path is None:
        return steps
    weight = writer.add_tensor(f"{name}.path.weight", path.weight)
    return [{"op": "path", "weight": weight, "steps": steps}]


def write_conv_encoder_steps(writer: StepWriter, encoder: ConvEncoder) -> list[Step]:
    """Return a convolution and a non-linearity for each layer, then the linear step to the code."""
    steps: list[Step] = []
    for i, layer in enumerate(encoder.layers):
        sizes = {"size": list(encoder.sizes[i]), "to": list(encoder.sizes[i + 1])}
        weight, bias = get_weight_and_bias(layer)
        steps.append(writer.write_layer("conv", f"encoder.{i}", weight, bias, **sizes))
        steps += write_activation_step(encoder.activation)
    return [*steps, *writer.write_linear("encoder.code", *get_weight_and_bias(encoder.to_code))]


# -- decoders


def write_decoder_steps(writer: StepWriter, decoder: Decoder) -> list[Step]:
    """Return the steps from the code to logits."""
    if isinstance(decoder, MlpDecoder):
        return write_mlp_decoder_steps(writer, decoder)
    if isinstance(decoder, ConvDecoder):
        return write_conv_decoder_steps(writer, decoder)
    if isinstance(decoder, EnsembleDecoder):
        return write_dense_steps(writer, "decoder", decoder)
    raise refuse_unknown_part(decoder)


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


def write_conv_decoder_steps(writer: StepWriter, decoder: ConvDecoder) -> list[Step]:
    """Return the linear step from the code, then transposed convolutions with non-linearities."""
    steps = writer.write_linear("decoder.code", *get_weight_and_bias(decoder.from_code))
    for i, layer in enumerate(decoder.layers):
        steps += write_activation_step(decoder.activation)
        sizes = {"size": list(decoder.sizes[i]), "to": list(decoder.sizes[i + 1])}
        weight, bias = get_weight_and_bias(layer)
        steps.append(writer.write_layer("conv_transpose", f"decoder.{i}", weight, bias, **sizes))
    return steps


def write_dense_steps(
    writer: StepWriter, name: str, part: EnsembleEncoder | EnsembleDecoder
) -> list[Step]:
    """Return linear steps that do what all members of an ensemble do."""
    steps: list[Step] = []
    for i, (weight, bias) in enumerate(part.list_dense_layers()):
        steps += write_activation_step(part.stack.activation) if i else []
        steps += writer.write_linear(f"{name}.{i}", weight, bias)
    return steps


def get_weight_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the two parameters of a linear or convolutional layer."""
    assert isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    assert layer.bias is not None
    return layer.weight, layer.bias


# -- the other parts


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


def refuse_unknown_part(part: nn.Module) -> ConfigError:
    """Return the error that says that a part has no steps, and where to add them."""
    place = "snap_steps" if isinstance(part, Bottleneck) else "aecore/explorer/portable.py"
    return ConfigError(
        f"{type(part).__name__} cannot run outside PyTorch yet. Add its steps: {place}."
    )
