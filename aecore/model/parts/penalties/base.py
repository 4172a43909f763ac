"""The base of all penalties: the batch that they are given, and their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import LIVE, Options
from aecore.model.parts.kinds import LAST
from aecore.model.parts.networks.base import NetworkBase

Weight = Annotated[float, Field(ge=0, le=1e6, json_schema_extra=LIVE)]


class Pass(NamedTuple):
    """One batch on its way through the model."""

    x: Tensor  # (N, *input_shape): the input of the encoder
    activations: tuple[
        Tensor, ...
    ]  # (N, width) of each hidden layer, then the code before snapping
    kinds: tuple[str, ...]  # the non-linearity of each of them
    z: Tensor  # (N, latent_dim): the input of the decoder
    encode: Callable[[Tensor], Tensor]  # (N, *input_shape) -> (N, latent_dim), without noise
    layer: nn.Linear | nn.Conv2d | None  # the encoder's only layer, where it has just one


class PenaltyBase(Options):
    """Options of a penalty, and what the rest of the program asks about one.

    A new kind sets `kind`, a `weight` and its fields, and `__call__`.
    """

    kind: str

    menu_position: ClassVar[int] = LAST
    matches_prior: ClassVar[bool] = False  # moves the codes together towards N(0, I)
    needs_large_batch: ClassVar[bool] = False  # compares statistics of the batch, not of examples
    allows_path: ClassVar[bool] = True  # the encoder may have a linear path beside it

    def __call__(self, batch: Pass) -> Tensor:
        """Return the weighted term of one batch, a scalar."""
        raise NotImplementedError

    def check_network(self, network: NetworkBase) -> None:
        """Raise ValueError if the penalty does not apply to such an encoder."""
