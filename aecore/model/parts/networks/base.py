"""The base of all networks: activations, base classes and initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aecore.model.parts.base import CodeGrid, Options
from aecore.model.parts.kinds import LAST

Activation = Literal["relu", "sigmoid", "tanh", "gelu", "silu", "linear"]


def keep_linear(a: Tensor) -> Tensor:
    """Return a as it is: the non-linearity of a linear layer."""
    return a


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "linear": keep_linear,
}


class Features(NamedTuple):
    """The layers of an encoder for one batch."""

    out: Tensor  # (N, outputs): the last layer before any activation
    hidden: tuple[Tensor, ...]  # (N, width) activations of each hidden layer, from the input on
    visible: Tensor | None = None  # (N, features) bool: what the loss is about; None: all


class Encoder(nn.Module):
    """Maps inputs (N, *input_shape) to Features."""

    layers: nn.ModuleList

    @property
    def head(self) -> nn.Linear | nn.Conv2d:
        """The layer that gives the code."""
        raise NotImplementedError

    @torch.no_grad()
    def scale_code(self, factor: float) -> None:
        """Multiply the initial weights of the layer that gives the code."""
        self.head.weight.mul_(factor)

    def cut_path_rows(self, x: Tensor) -> Tensor:
        """Return what the linear path maps of x (N, *input_shape), as rows (M, values)."""
        return x.flatten(1)

    def begin_path(self, weight: Tensor, bias: Tensor, log_variances: Tensor | None) -> None:
        """Let codes begin as rows weight^T + bias, and layers beside the linear path at zero.

        `weight` is (K, values), for at most as many units K as there are; `bias` (K,), and
        `log_variances` (K,) of variational codes.
        """
        raise NotImplementedError


class Decoder(nn.Module):
    """Maps codes (N, latent_dim) to logits (N, ...)."""

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer, one value per feature or per channel."""
        raise NotImplementedError

    @property
    def path_bias(self) -> Tensor:
        """The bias of each logit of a row of the linear path."""
        return self.output_bias

    def begin_path(self, directions: Tensor, bias: Tensor) -> None:
        """Let logits begin as z directions^T + bias, and layers beside the linear path at zero.

        `directions` is (logits of a row, K), for at most as many units K as there are.
        """
        raise NotImplementedError


class NetworkBase(Options):
    """Options of a network, and what the rest of the program asks about one.

    A new kind sets `kind`, `activation`, `code_activation`, its own fields, and every method here
    whose answer differs.
    """

    if TYPE_CHECKING:  # every kind declares these itself, in the order of its form
        activation: Activation
        code_activation: Activation

    kind: str

    menu_position: ClassVar[int] = LAST
    shares_columns: ClassVar[bool] = False  # its parts see some columns of a table each
    can_pretrain: ClassVar[bool] = False  # its layers can be trained greedily, one by one
    can_join: ClassVar[bool] = False  # several of one shape can be trained as one
    is_pretrained: ClassVar[bool] = False  # its weights were published, and are not trained here
    shares_places: ClassVar[bool] = False  # each channel of its code does the same at every place

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[Encoder, Decoder]:
        """Return an encoder of `outputs` values and a decoder of so many logits.

        Logits have the input's shape but for its first side, by which there may be more of them
        than features: (logits,) for a table. None asks for as many as features.
        """
        raise NotImplementedError

    @property
    def layer_activations(self) -> tuple[str, ...]:
        """The non-linearity of each encoder layer, from the first hidden one to the code."""
        raise NotImplementedError

    @property
    def is_tied(self) -> bool:
        """True where the decoder uses the encoder's weights."""
        return False

    @property
    def has_linear_path(self) -> bool:
        """True where a linear map beside encoder and decoder begins as PCA."""
        return False

    def explain_no_path(self) -> str | None:
        """Return what of this network forbids a linear path, such as "tied weights"; else None."""
        return f"a network of kind {self.kind}"

    def with_linear_path(self, has_path: bool) -> Self:
        """Return these options with the linear path or without; the same where there is none."""
        return self

    @property
    def uses_batch_norm(self) -> bool:
        """True where the output for an example depends on the rest of its batch."""
        return False

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        """Raise ValueError if the network does not apply to examples of this shape."""

    def check_code(self, input_shape: Sequence[int], latent_dim: int, is_plain: bool) -> None:
        """Raise ValueError if a code of so many units cannot be shared out.

        `is_plain` is True for a deterministic code without penalties.
        """

    def share_columns(self, encoder: Encoder, decoder: Decoder, columns: Sequence[slice]) -> None:
        """Tell encoder and decoder which features each column of a table has.

        It is called where `shares_columns`.
        """

    def draw_samples(self, count: int, seed: int) -> Tensor | None:
        """Return which of `count` training rows each of several members sees: (members, K).

        None where the network is one, and sees all.
        """
        return None

    def fit_input_shape(self, input_shape: Sequence[int]) -> Self:
        """Return these options with sizes that suit examples of this shape."""
        return self

    def with_finer_code(self) -> Self:
        """Return these options with a spatial code of four times as many places, if it has one."""
        return self

    def suggest_latent_dim(
        self, input_shape: Sequence[int], units_of_place: int | None = None
    ) -> int | None:
        """Return the code size that suits examples of this shape; None leaves it to the variant."""
        return None

    def fit_latent_dim(self, input_shape: Sequence[int], latent_dim: int) -> Self:
        """Return these options, adapted to codes of so many units where a default would not fit."""
        return self

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        """Return about how many weights encoder and decoder have, without building them."""
        raise NotImplementedError

    def count_output_weights(self, input_shape: Sequence[int], latent_dim: int) -> int:
        """Return about how many weights give the logits, at most, where there is one a feature."""
        return self.count_weights(input_shape, latent_dim) // 2

    def count_products(self, input_shape: Sequence[int], outputs: int) -> int:
        """Return about how many products encoder and decoder compute for one example."""
        return self.count_weights(input_shape, outputs)

    def count_widest_layer(self, input_shape: Sequence[int]) -> int:
        """Return about how many values of an example are in memory at a time."""
        return math.prod(input_shape)

    def limit_examples(self, input_shape: Sequence[int]) -> int | None:
        """Return how many examples are bearable to look at on pages; None for any number."""
        return None

    def find_code_grid(self, input_shape: Sequence[int], latent_dim: int) -> CodeGrid | None:
        """Return channels, height and width of a code that lies on a grid; None for a dense one.

        A code (N, latent_dim) lists the channels of one place after those of another: it is
        (N, height, width, channels), flattened. Log variances come after all means, likewise.
        """
        return None

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Return the shape of each hidden layer of the encoder, from the input on.

        The decoder has the same ones in reverse.
        """
        return ()


def initialise_layers(layers: Iterable[nn.Module], activation: str) -> None:
    """Draw initial weights in place; biases are zero.

    He et al. (2015) for rectifiers, Glorot & Bengio (2010) for the rest.
    """
    for layer in layers:
        assert isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        if layer.weight.is_meta:
            continue  # to be loaded; torch imports a compiler to draw where there is no memory
        if activation in ("relu", "gelu", "silu"):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
