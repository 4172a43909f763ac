"""A model as plain arrays and a list of steps, for runtimes without PyTorch: the explorer decodes in the browser.

`portable(model)` gives what JSON can hold, and the arrays that this names. The three lists of steps are

    encode   x (*input_shape) -> the encoder's output: z, and for variational codes ln sigma^2 behind it
    snap     z -> the valid code nearest to it; no step where every z is a code
    decode   z -> x^ (*input_shape), both in the data's own units

and a step is one of

    linear          weight (out, in), bias (out,); with `transposed` the weight is (in, out), tied to the encoder's
    conv            weight (out, in, 3, 3), bias; stride 2, padding 1; from `size` (H, W) to `to` (H', W')
    conv_transpose  weight (in, out, 3, 3), bias; stride 2, padding 1; from `size` to `to`
    layer_norm      weight, bias (width,), eps
    activation      kind; of the `first` values alone where that is given
    take            the `first` values
    scale           x -> x * scale + shift;  unscale its inverse, NaN -> 0 where `missing`, `clamp` to [0, 1]
    top_k           the k largest stay, by `magnitude` or value; the rest are 0
    nearest         each part of `dim` values becomes the nearest row of `codebook`
    round           to the nearest of `levels` even steps from -1 to 1

Batch normalisation is folded into the layer before it (Ioffe & Szegedy, 2015, section 3.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottleneck import (
    Bottleneck,
    FiniteScalarCode,
    GaussianBottleneck,
    Quantizer,
    TopKCode,
)
from aecore.model.parts.likelihood import FixedGaussian, Likelihood, StudentTLikelihood
from aecore.model.parts.networks import ConvDecoder, ConvEncoder, MlpDecoder, MlpEncoder

Step = dict[str, Any]


class StepWriter:
    """Collects the steps and, under their names, the arrays of one model."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.kept: list[tuple[Tensor, str]] = []  # tied weights are written once

    def keep(self, name: str, tensor: Tensor) -> str:
        """The name under which the tensor is kept."""
        for other, known in self.kept:
            if other is tensor:
                return known
        self.kept.append((tensor, name))
        self.tensors[name] = tensor.detach().float().cpu()
        return name

    def linear(
        self, name: str, weight: Tensor, bias: Tensor, norm: nn.Module | None = None
    ) -> list[Step]:
        """An affine layer and the normalisation behind it."""
        if isinstance(norm, nn.BatchNorm1d):
            assert norm.running_var is not None and norm.running_mean is not None
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight, bias = weight * factor[:, None], (bias - norm.running_mean) * factor + norm.bias
        return [self.layer("linear", name, weight, bias), *self.layer_norm(name, norm)]

    def layer_norm(self, name: str, norm: nn.Module | None) -> list[Step]:
        if not isinstance(norm, nn.LayerNorm):
            return []
        return [
            {**self.layer("layer_norm", f"{name}.norm", norm.weight, norm.bias), "eps": norm.eps}
        ]

    def layer(self, op: str, name: str, weight: Tensor, bias: Tensor, **more: Any) -> Step:
        return {
            "op": op,
            "weight": self.keep(f"{name}.weight", weight),
            "bias": self.keep(f"{name}.bias", bias),
            **more,
        }


def activation_step(kind: str, first: int | None = None) -> list[Step]:
    if kind == "linear":
        return []
    return [{"op": "activation", "kind": kind, **({} if first is None else {"first": first})}]


@torch.no_grad()
def export_steps(model: Autoencoder) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and steps of a model, for JSON, and the float32 arrays that they name.

    ConfigError where it has a part that no list of steps can say.
    """
    writer, config = StepWriter(), model.config
    encode = [*unscale_step(writer, model), *write_encoder_steps(writer, model.encoder)]
    encode += activation_step(config.network.code_activation, config.latent_dim)
    decode = [
        *write_decoder_steps(writer, model.decoder),
        *likelihood_mean_step(model.likelihood, config.features),
    ]
    if config.scaling != "none":
        decode.append({"op": "scale", **keep_scale(writer, model)})
    about = {
        "input_shape": list(config.input_shape),
        "latent_dim": config.latent_dim,
        "outputs": model.bottleneck.inputs,
        "encode": encode,
        "snap": write_snap_step(writer, model.bottleneck),
        "decode": decode,
    }
    return about, writer.tensors


def write_encoder_steps(writer: StepWriter, net: nn.Module) -> list[Step]:
    """From scaled inputs to the layer that gives the code."""
    steps: list[Step] = []
    if isinstance(net, MlpEncoder):
        for i, layer in enumerate(net.layers):
            norm = net.norms[i] if i < len(net.norms) else None
            steps += writer.linear(f"encoder.{i}", layer.weight, layer.bias, norm)
            steps += activation_step(net.kind) if norm is not None else []
        return steps
    if isinstance(net, ConvEncoder):
        for i, (layer, size, to) in enumerate(
            zip(net.layers, net.sizes, net.sizes[1:], strict=False)
        ):
            steps.append(
                writer.layer(
                    "conv", f"encoder.{i}", layer.weight, layer.bias, size=list(size), to=list(to)
                )
            )
            steps += activation_step(net.kind)
        return [*steps, *writer.linear("encoder.code", net.to_code.weight, net.to_code.bias)]
    raise refuse_unknown_part(net)


def write_decoder_steps(writer: StepWriter, net: nn.Module) -> list[Step]:
    """From the code to logits."""
    steps: list[Step] = []
    if isinstance(net, MlpDecoder):
        for i in range(len(net.norms) + 1):
            norm = net.norms[i] if i < len(net.norms) else None
            steps += write_affine_step(writer, net, i, norm)
            steps += activation_step(net.kind) if norm is not None else []
        return steps
    if isinstance(net, ConvDecoder):
        steps = [
            *writer.linear("decoder.code", net.from_code.weight, net.from_code.bias),
            *activation_step(net.kind),
        ]
        for i, (layer, size, to) in enumerate(
            zip(net.layers, net.sizes, net.sizes[1:], strict=False)
        ):
            named = {"size": list(size), "to": list(to)}
            steps.append(
                writer.layer("conv_transpose", f"decoder.{i}", layer.weight, layer.bias, **named)
            )
            steps += activation_step(net.kind) if i < len(net.layers) - 1 else []
        return steps
    raise refuse_unknown_part(net)


def write_affine_step(
    writer: StepWriter, net: MlpDecoder, i: int, norm: nn.Module | None
) -> list[Step]:
    """The decoder's i-th layer, whose weight may be the encoder's, transposed."""
    if net.tied is None:
        return writer.linear(f"decoder.{i}", net.layers[i].weight, net.layers[i].bias, norm)
    weight, bias = net.tied[i].weight, net.biases[i]
    if isinstance(norm, nn.BatchNorm1d):  # folded, the two are no longer the same numbers
        return writer.linear(f"decoder.{i}", weight.t(), bias, norm)
    step = writer.layer("linear", f"decoder.{i}", weight, bias, transposed=True)
    return [step, *writer.layer_norm(f"decoder.{i}", norm)]


def likelihood_mean_step(kind: nn.Module, features: int) -> list[Step]:
    """From logits to the reconstruction."""
    if isinstance(kind, StudentTLikelihood):
        return [{"op": "take", "first": features}]
    if isinstance(kind, FixedGaussian):
        return activation_step("sigmoid" if kind.squashed else "linear")
    if type(kind) is Likelihood:
        return activation_step("sigmoid")
    raise refuse_unknown_part(kind)


def write_snap_step(writer: StepWriter, kind: nn.Module) -> list[Step]:
    """What makes any z a valid code."""
    if isinstance(kind, TopKCode):
        return [{"op": "top_k", "k": kind.k, "magnitude": kind.by_magnitude}]
    if isinstance(kind, Quantizer):
        book = kind.codebook
        return [{"op": "nearest", "codebook": writer.keep("codebook", book), "dim": book.shape[1]}]
    if isinstance(kind, FiniteScalarCode):
        return [{"op": "round", "levels": kind.levels}]
    if type(kind) in (Bottleneck, GaussianBottleneck):
        return []
    raise refuse_unknown_part(kind)


def unscale_step(writer: StepWriter, model: Autoencoder) -> list[Step]:
    """From the data's units to the network's."""
    if model.config.scaling == "none":
        return []
    clamp = model.config.likelihood.kind == "bernoulli"
    return [
        {
            "op": "unscale",
            **keep_scale(writer, model),
            "missing": model.config.missing,
            "clamp": clamp,
        }
    ]


def keep_scale(writer: StepWriter, model: Autoencoder) -> dict[str, str]:
    return {name: writer.keep(name, getattr(model, name)) for name in ("shift", "scale")}


def refuse_unknown_part(part: object) -> ConfigError:
    return ConfigError(
        f"{type(part).__name__} cannot run outside PyTorch yet. Add it to aecore/portable.py."
    )
