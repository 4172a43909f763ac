"""Sparsity: penalties on how active the units of a layer are."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from aecore.errors import ConfigError
from aecore.model.parts.networks.base import NetworkBase
from aecore.model.parts.penalties.base import Pass, PenaltyBase, Weight

Layers = Annotated[
    tuple[int, ...],
    Field(
        min_length=1,
        max_length=16,
        description="Encoder layers to penalise, counted from the input; -1 is the code.",
    ),
]
BOUNDED = {"sigmoid", "tanh"}  # non-linearities whose units can be read as frequencies


class ActivityPenalty(PenaltyBase):
    """Penalties on the activations of chosen encoder layers."""

    if TYPE_CHECKING:  # every kind declares it itself, after `layers`
        weight: Weight

    layers: Layers = (-1,)

    def __call__(self, batch: Pass) -> Tensor:
        terms = (self.measure(h, activation) for h, activation in self.select_activations(batch))
        return self.weight * reduce(torch.add, terms)

    def measure(self, h: Tensor, activation: str) -> Tensor:
        """Return the unweighted term of one layer's activations h (N, width), a scalar."""
        raise NotImplementedError

    def select_activations(self, batch: Pass) -> list[tuple[Tensor, str]]:
        """Return activations (N, width) and non-linearity of each of `layers`."""
        count = len(batch.activations)
        absent = [i for i in self.layers if not -count <= i < count]
        if absent:
            raise ConfigError(
                f"The encoder has {count} layers, got layer {absent[0]}. "
                f"Use 0 to {count - 1}, or -1."
            )
        return [(batch.activations[i], batch.kinds[i]) for i in self.layers]

    def check_network(self, network: NetworkBase) -> None:
        activations = network.layer_activations
        for i in self.layers:
            if not -len(activations) <= i < len(activations):
                kind = type(self).model_fields["kind"].default
                raise ValueError(
                    f"{kind}: the encoder has {len(activations)} layers, got layer {i}"
                )
            self.check_activation(activations[i])

    def check_activation(self, activation: str) -> None:
        """Raise ValueError if the penalty does not apply to units of this non-linearity."""


class KlSparsity(ActivityPenalty):
    """weight * sum_j rho ln(rho / rho^_j) + (1 - rho) ln((1 - rho) / (1 - rho^_j)).

    rho^_j is the batch mean of unit j, so large batches (200 and more) estimate it well
    (Ng, 2011, CS294A lecture notes). Units must lie in (0, 1): sigmoid, or tanh moved there.
    """

    kind: Literal["kl_sparsity"] = "kl_sparsity"
    weight: Weight = Field(
        0.1,
        description="Weight of the sparsity term: with a larger one units are active for fewer "
        "examples.",
    )
    rho: float = Field(
        0.05, gt=0, lt=1, description="Target share of the examples for which a unit is active."
    )

    menu_position: ClassVar[int] = 1
    needs_large_batch: ClassVar[bool] = True

    def measure(self, h: Tensor, activation: str) -> Tensor:
        mean = to_unit_interval(h, activation).mean(0).clamp(1e-6, 1 - 1e-6)
        rho = torch.as_tensor(self.rho, dtype=h.dtype, device=h.device)
        return (rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()).sum()

    def check_activation(self, activation: str) -> None:
        if activation not in BOUNDED:
            raise ValueError(explain_unbounded_units(activation))


class L1(ActivityPenalty):
    """weight * mean over the batch of sum_j |h_j|."""

    kind: Literal["l1"] = "l1"
    weight: Weight = Field(
        0.1,
        description="Weight of the sum of absolute activations: a larger one sets more units to "
        "zero.",
    )

    menu_position: ClassVar[int] = 2

    def measure(self, h: Tensor, activation: str) -> Tensor:
        return h.abs().sum(1).mean()


class L2(ActivityPenalty):
    """weight * mean over the batch of sum_j h_j^2."""

    kind: Literal["l2"] = "l2"
    weight: Weight = Field(
        0.1,
        description="Weight of the sum of squared activations: a larger one makes all of them "
        "smaller.",
    )

    menu_position: ClassVar[int] = 3

    def measure(self, h: Tensor, activation: str) -> Tensor:
        return h.square().sum(1).mean()


def to_unit_interval(h: Tensor, activation: str) -> Tensor:
    """Return activations as frequencies in (0, 1); ConfigError if their units are not bounded."""
    if activation not in BOUNDED:
        raise ConfigError(explain_unbounded_units(activation))
    return (h + 1) / 2 if activation == "tanh" else h


def explain_unbounded_units(activation: str) -> str:
    """Return the sentence that says why such units cannot have a sparsity target."""
    return (
        f"kl_sparsity needs units between 0 and 1, got {activation} ones; "
        "use sigmoid or tanh for that layer, or the l1 penalty, or a top_k bottleneck"
    )
