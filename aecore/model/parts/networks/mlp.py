"""Fully connected networks, with normalisation and tied weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.linear import Linear, apply_linear
from aecore.model.parts.networks.base import (
    ACTIVATIONS,
    Activation,
    Decoder,
    Encoder,
    Features,
    NetworkBase,
    initialise_layers,
)

Norm = Literal["none", "batch", "layer"]
Width = Annotated[int, Field(ge=1, le=16384)]

FEW_FEATURES = 64  # below it layers are narrowed
MIN_WIDTH, MAX_WIDTH = 16, 64  # of narrowed layers


class Mlp(NetworkBase):
    """h_l = f(W_l h_(l-1) + b_l), mirrored in the decoder.

    No hidden layer and a linear code is the linear autoencoder; several make the stacked one
    (Hinton & Salakhutdinov, 2006). Tied: the decoder's weights are the encoder's, transposed.
    With a linear path, z = W x + e(x) and logits V z + d(z) for these layers e and d. W and V begin
    as principal components and the last layers of e and d at zero: the model begins as PCA. Without
    hidden layers e and d are linear themselves, and begin so.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        (400,),
        max_length=16,
        description="Widths of the encoder's hidden layers; the decoder mirrors them.",
    )
    activation: Activation = Field("gelu", description="Non-linearity of the hidden layers.")
    code_activation: Activation = Field("linear", description="Non-linearity of the code layer.")
    norm: Norm = Field(
        "none",
        description="Normalise hidden units: over the batch, or over the layer of each example.",
    )
    tied: bool = Field(False, description="The decoder uses the encoder's weights, transposed.")
    linear_path: bool = Field(
        False,
        description="A linear map beside the hidden layers begins as PCA of the training examples: "
        "the layers learn what PCA cannot. For linear codes, plain or Gaussian, without tied "
        "weights.",
    )

    menu_position: ClassVar[int] = 1
    can_pretrain: ClassVar[bool] = True
    can_join: ClassVar[bool] = True

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[MlpEncoder, MlpDecoder]:
        features = math.prod(input_shape)
        encoder = MlpEncoder(self, [features, *self.hidden], outputs)
        logits = features if logits is None else logits
        logits_shape = (logits // math.prod(input_shape[1:]), *input_shape[1:])
        widths = [latent_dim, *reversed(self.hidden), logits]
        tied_to = encoder.linear_layers() if self.tied else None
        decoder = MlpDecoder(self, widths, logits_shape, tied_to)
        if self.linear_path and self.hidden:
            encoder.path = LinearPath(features, latent_dim)
            decoder.path = LinearPath(latent_dim, logits)
        return encoder, decoder

    @property
    def layer_activations(self) -> tuple[str, ...]:
        return (self.activation,) * len(self.hidden) + (self.code_activation,)

    @property
    def is_tied(self) -> bool:
        return self.tied

    @property
    def has_linear_path(self) -> bool:
        return self.linear_path

    def explain_no_path(self) -> str | None:
        if self.tied:
            return "tied weights"
        return None if self.code_activation == "linear" else f"a {self.code_activation} code"

    def with_linear_path(self, has_path: bool) -> Self:
        return self.model_copy(update={"linear_path": has_path})

    @property
    def uses_batch_norm(self) -> bool:
        return self.norm == "batch"

    def fit_input_shape(self, input_shape: Sequence[int]) -> Self:
        """Narrow hidden layers to 64 units or less where examples have few features."""
        if math.prod(input_shape) >= FEW_FEATURES:
            return self
        hidden = tuple(max(MIN_WIDTH, min(width, MAX_WIDTH)) for width in self.hidden)
        return self.model_copy(update={"hidden": hidden})

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        widths = [math.prod(input_shape), *self.hidden, outputs]
        in_path = widths[0] * outputs if self.linear_path and self.hidden else 0
        return 2 * (sum(a * b for a, b in pairwise(widths)) + in_path)

    def count_output_weights(self, input_shape: Sequence[int], latent_dim: int) -> int:
        in_path = latent_dim if self.linear_path and self.hidden else 0
        return ((*self.hidden, latent_dim)[0] + in_path) * math.prod(input_shape)

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.hidden)


class LinearPath(Linear):
    """x (N, in) -> x W^T (N, out), without a bias. W is zero until `start_as_pca` sets it.

    W is `gain` times the weights that are trained: with a small one a step moves it by less.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0):
        super().__init__(inputs, outputs, bias=False)
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return apply_linear(x, self.kernel, None)

    @property
    def kernel(self) -> Tensor:
        """W, (out, in)."""
        return self.weight if self.gain == 1 else self.weight * self.gain

    def reset_parameters(self) -> None:
        """Set W to zero: the network is as without a path."""
        nn.init.zeros_(self.weight)


class MlpEncoder(Encoder):
    """Fully connected layers from the flattened input to the code parameters, beside a `path`."""

    path: LinearPath | None

    def __init__(self, options: Mlp, widths: list[int], outputs: int):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.path = None
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise([*widths, outputs]))
        self.norms = build_normalisers(options.norm, widths[1:])
        initialise_layers(self.layers[:-1], options.activation)
        initialise_layers(self.layers[-1:], options.code_activation)

    def forward(self, x: Tensor) -> Features:
        h = flat = x.flatten(1)
        hidden = []
        for layer, norm in zip(self.layers[:-1], self.norms, strict=True):
            h = self.activate(norm(layer(h)))
            hidden.append(h)
        out = self.layers[-1](h)
        if self.path is not None:
            along_path = self.path(flat)  # of codes or means; a variational layer gives more
            out = out + F.pad(along_path, (0, out.shape[1] - along_path.shape[1]))
        return Features(out, tuple(hidden))

    @property
    def head(self) -> nn.Linear:
        return self.linear_layers()[-1]

    @torch.no_grad()
    def begin_path(self, weight: Tensor, bias: Tensor, log_variances: Tensor | None) -> None:
        units, head = len(weight), self.head
        head.weight.zero_()
        head.bias.zero_()
        (self.path or head).weight[:units] = weight  # without hidden layers the network is the path
        head.bias[:units] = bias
        if log_variances is not None:
            means = len(head.bias) // 2
            head.bias[means : means + units] = log_variances

    def linear_layers(self) -> list[nn.Linear]:
        """Return `layers` as a typed list."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


class MlpDecoder(Decoder):
    """Fully connected layers from the code to logits.

    It has `layers` with weights of its own, or `biases` alone and the weights of `tied_layers`.
    """

    path: LinearPath | None
    layers: nn.ModuleList
    norms: nn.ModuleList
    biases: nn.ParameterList
    tied_layers: tuple[nn.Linear, ...] | None

    def __init__(
        self,
        options: Mlp,
        widths: list[int],
        logits_shape: tuple[int, ...],
        tied_to: Sequence[nn.Linear] | None,
    ):
        super().__init__()
        self.activation = options.activation
        self.activate = ACTIVATIONS[options.activation]
        self.logits_shape = logits_shape
        self.path = None
        self.norms = build_normalisers(options.norm, widths[1:-1])
        # a tuple, not a ModuleList: the parameters must not be registered twice
        self.tied_layers = None if tied_to is None else tuple(reversed(tied_to))
        if self.tied_layers is None:
            self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
            initialise_layers(self.layers[:-1], options.activation)
            initialise_layers(self.layers[-1:], "linear")
        else:
            self.biases = nn.ParameterList(torch.zeros(width) for width in widths[1:])

    def forward(self, z: Tensor) -> Tensor:
        h = z
        for i, norm in enumerate(self.norms):
            h = self.activate(norm(self.apply_layer(i, h)))
        out = self.apply_layer(len(self.norms), h)
        if self.path is not None:
            out = out + self.path(z)
        return out.unflatten(1, self.logits_shape)

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer, one value per logit."""
        bias = self.layers[-1].bias if self.tied_layers is None else self.biases[-1]
        assert isinstance(bias, nn.Parameter)
        return bias

    @torch.no_grad()
    def begin_path(self, directions: Tensor, bias: Tensor) -> None:
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        last.weight.zero_()
        (self.path or last).weight[:, : directions.shape[1]] = directions
        self.output_bias.copy_(bias)

    def apply_layer(self, i: int, h: Tensor) -> Tensor:
        """Apply the i-th affine map to h (N, width).

        Tied weights are read from the encoder at every call, so that gradients of both reach them.
        """
        if self.tied_layers is None:
            return self.layers[i](h)
        weight = self.tied_layers[i].weight[
            : h.shape[1]
        ]  # a variational layer gives the means first
        return apply_linear(h, weight.t(), self.biases[i])


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses the running statistics for a batch of a single example."""

    def forward(self, x: Tensor) -> Tensor:
        # `training` is tested first: exporters must not take the batch's size for fixed
        if not self.training or len(x) > 1:
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


NORMALISERS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "batch": BatchNorm,  # Ioffe & Szegedy (2015)
    "layer": nn.LayerNorm,  # Ba et al. (2016)
}


def build_normalisers(norm: Norm, widths: Sequence[int]) -> nn.ModuleList:
    """Return one normalising module for each hidden layer of these widths."""
    return nn.ModuleList(NORMALISERS[norm](width) for width in widths)
