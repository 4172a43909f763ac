"""The base of all likelihoods: the options, and the module that is also the cross-entropy.

Losses are summed over features, with one value per example.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn

from aecore.model.parts.base import Options
from aecore.model.parts.cross_entropy import CrossEntropy
from aecore.model.parts.kinds import LAST

LOGISTIC_STEPS = 50  # of the fit of a linear path to values between 0 and 1
LOGISTIC_ROWS = 8192  # examples that are enough for it


class LikelihoodBase(Options):
    """Options of a likelihood, and what the rest of the program asks about one.

    Examples have so many `features`: those of a picture are of so many `channels`, those of a table
    are channels themselves.
    """

    kind: str

    menu_position: ClassVar[int] = LAST
    needs_unit_interval: ClassVar[bool] = False  # inputs must lie in [0, 1]
    takes_pictures: ClassVar[bool] = True
    takes_tables: ClassVar[bool] = True
    allows_tied: ClassVar[bool] = True  # the decoder may use the encoder's weights
    is_density: ClassVar[bool] = True  # the loss is -ln p(x|z), but for a constant
    has_levels: ClassVar[bool] = False  # pixels of 8 bits have probabilities: `level_nats`

    def build(self, features: int, channels: int = 1) -> Likelihood:
        """Return the module for examples of these sizes."""
        raise NotImplementedError

    def count_logits(self, features: int, channels: int = 1) -> int:
        """Return how many values the decoder has to give for an example of these sizes."""
        return features

    def check_features(self, features: int) -> None:
        """Raise ValueError if the likelihood is not for examples of so many features."""

    def list_slices(self, features: int) -> tuple[slice, ...]:
        """Return the features of each column of a table: one, where no more is known."""
        return tuple(slice(i, i + 1) for i in range(features))

    def list_kinds(self, features: int) -> tuple[str, ...]:
        """Return the kind of each column: numbers, where no more is known."""
        return ("number",) * len(self.list_slices(features))

    def find_unscaled(self, features: int) -> list[int]:
        """Return the features that are not scaled, whatever the others are."""
        return []


class Likelihood(nn.Module):
    """The cross-entropy, and the base of the others: they override what differs."""

    owners: Tensor | None  # (features,) the column of each, where columns have several

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("owners", None, persistent=False)

    def mean(self, logits: Tensor) -> Tensor:
        """Return the reconstruction in the network's units: here a probability for each pixel."""
        return logits.sigmoid()

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        """Return `mean` as steps for the explorer (aecore/explorer/portable.py)."""
        if type(self).mean is not Likelihood.mean:
            raise NotImplementedError(f"{type(self).__name__} has a `mean` but no `mean_steps`")
        return [{"op": "activation", "kind": "sigmoid"}]

    def logits(self, mean: Tensor) -> Tensor:
        """Return logits with this mean, the inverse of `mean`."""
        return inverse_sigmoid(mean)

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return weights V (logits, K) and biases b (logits,) with which V z + b fits x.

        x (N, features) are in the network's units; codes z (N, K) have mean 0 and variance 1, and
        are uncorrelated. `changes` (features, K) are those of x with z; b begins as `bias`. Here
        by steps that never raise the cross-entropy, whose second derivative is at most 1/4
        (Böhning & Lindsay, 1988, Monotonicity of Quadratic-Approximation Algorithms).
        """
        stride = math.ceil(len(x) / LOGISTIC_ROWS)
        x, z = x[::stride], z[::stride]
        weight = x.new_zeros(x.shape[1], z.shape[1])
        for _ in range(LOGISTIC_STEPS):
            residuals = x - (z @ weight.t() + bias).sigmoid()
            weight = weight + 4 / len(z) * residuals.t() @ z
            bias = bias + 4 * residuals.mean(0)
        return weight, bias

    def find_precisions(self, logits: Tensor) -> Tensor:
        """Return about the second derivative of the loss in each of the logits (logits,)."""
        return logits.sigmoid() * (1 - logits.sigmoid())

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return nats without `constant`: logits (..., *shape) and x (N, *shape) -> (..., N).

        With `observed` (N, *shape), only the cells that are True count.
        """
        rows, cells = logits.flatten(-x.dim() + 1), x.flatten(1)
        return CrossEntropy.apply(rows, cells, None if observed is None else observed.flatten(1))

    def training_loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return `loss` as it is minimised; those that follow their batches override it."""
        return self.loss(logits, x, observed)

    def constant(self, features: float | Tensor) -> float | Tensor:
        """Return what `loss` leaves out for so many observed cells, in nats."""
        return 0.0

    def level_nats(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return -ln P(x|z) of pixels as levels of 8 bits, (..., N); shapes are those of `loss`.

        Only those with `has_levels` have it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no probabilities of levels")

    def sample(self, logits: Tensor) -> Tensor:
        """Draw from p(x|z), in the shape of `mean`."""
        return self.mean(logits).bernoulli()

    def fit_units(self, shift: Tensor, scale: Tensor) -> None:
        """Take note of the model's scaling (*input_shape); most need not know it."""

    def start_spread(self, logits: Tensor, x: Tensor) -> None:
        """Begin with the noise that these logits leave of x; most have none to begin with."""


def sum_cells(cells: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
    """Sum the cells of each example, (..., N, *shape) -> (..., N), shaped as x (N, *shape).

    With `observed` (N, *shape), only the cells that are True count.
    """
    if observed is not None:
        cells = cells.masked_fill(~observed, 0)
    return cells.flatten(-x.dim() + 1).sum(-1)


def inverse_sigmoid(p: Tensor) -> Tensor:
    """Return ln p / (1 - p), for p kept at least 1e-3 from 0 and 1."""
    return p.clamp(1e-3, 1 - 1e-3).logit()
