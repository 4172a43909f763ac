"""Likelihoods: the reconstruction loss and what it says about the data.

Losses are summed over features, with one value per example.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.base import Options
from aecore.model.parts.cross_entropy import CrossEntropy
from aecore.model.parts.distributions import bound_student_shape, compute_student_losses

LOGISTIC_STEPS = 50  # of the fit of a linear path to values between 0 and 1
LOGISTIC_ROWS = 8192  # examples that are enough for it


class LikelihoodBase(Options):
    """Options of a likelihood, and what the rest of the program asks about one."""

    kind: str

    needs_unit_interval: ClassVar[bool] = False  # inputs must lie in [0, 1]

    def build(self, features: int) -> Likelihood:
        """Return the module for examples of so many features."""
        raise NotImplementedError

    def count_logits(self, features: int) -> int:
        """Return how many values the decoder has to give for so many features."""
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


class Gaussian(LikelihoodBase):
    """-log p(x|z) = |x - x^|^2 / (2 variance) + d/2 ln(2 pi variance).

    At the default variance of 1/2 the training loss is the squared error itself.
    """

    kind: Literal["gaussian"] = "gaussian"
    variance: float = Field(
        0.5,
        gt=0,
        le=1e6,
        description="Noise variance of the decoder. A smaller one gives the reconstruction more "
        "weight; 0.5 makes the loss the squared error.",
    )

    output: Literal["linear", "sigmoid"] = Field(
        "linear", description="sigmoid keeps reconstructions between 0 and 1, the range of pixels."
    )
    learned: bool = Field(
        False, description="Learn the noise variance, starting from the value above."
    )

    def build(self, features: int) -> Likelihood:
        return LearnedGaussian(self) if self.learned else FixedGaussian(self)


class Bernoulli(LikelihoodBase):
    """-log p(x|z) = sum softplus(l) - x l  for logits l and x in [0, 1]: the cross-entropy.

    For grey pixels it has a floor above zero, the entropy of x: 45.5 nats for MNIST's test images.
    """

    kind: Literal["bernoulli"] = "bernoulli"

    needs_unit_interval: ClassVar[bool] = True

    def build(self, features: int) -> Likelihood:
        return Likelihood()


class StudentT(LikelihoodBase):
    """-log p(x|z) = -sum ln St(x; location, scale, df).

    For columns with outliers, which would dominate a Gaussian's loss. The decoder gives the
    location and scale of each value; df > 3 is learned, one for each column.
    """

    kind: Literal["student_t"] = "student_t"

    def build(self, features: int) -> Likelihood:
        return StudentTLikelihood(features)

    def count_logits(self, features: int) -> int:
        return 2 * features


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

    def constant(self, features: float | Tensor) -> float | Tensor:
        """Return what `loss` leaves out for so many observed cells, in nats."""
        return 0.0

    def sample(self, logits: Tensor) -> Tensor:
        """Draw from p(x|z), in the shape of `mean`."""
        return self.mean(logits).bernoulli()

    def fit_units(self, shift: Tensor, scale: Tensor) -> None:
        """Take note of the model's scaling (*input_shape); most need not know it."""


class FixedGaussian(Likelihood):
    """Squared error / (2 variance), without the constant, which has no gradient."""

    def __init__(self, options: Gaussian):
        super().__init__()
        self.variance, self.has_sigmoid = options.variance, options.output == "sigmoid"

    def mean(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.has_sigmoid else logits

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        return [{"op": "activation", "kind": "sigmoid"}] if self.has_sigmoid else []

    def logits(self, mean: Tensor) -> Tensor:
        return inverse_sigmoid(mean) if self.has_sigmoid else mean

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        return super().fit_directions(changes, z, x, bias) if self.has_sigmoid else (changes, bias)

    def find_precisions(self, logits: Tensor) -> Tensor:
        slopes = super().find_precisions(logits) if self.has_sigmoid else torch.ones_like(logits)
        return slopes.square() / self.variance

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return sum_cells((self.mean(logits) - x).square(), x, observed) / (2 * self.variance)

    def constant(self, features: float | Tensor) -> float | Tensor:
        return features / 2 * math.log(2 * math.pi * self.variance)

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + math.sqrt(self.variance) * torch.randn_like(mean)


class LearnedGaussian(FixedGaussian):
    """The whole negative log density: with the variance learned, nothing in it is constant."""

    def __init__(self, options: Gaussian):
        super().__init__(options)
        self.log_variance = nn.Parameter(torch.tensor(math.log(options.variance)))

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        cells = x[0].numel() if observed is None else observed.flatten(1).sum(1, dtype=x.dtype)
        normaliser = cells / 2 * (math.log(2 * math.pi) + self.log_variance)
        errors = sum_cells((self.mean(logits) - x).square(), x, observed)
        return errors / (2 * self.log_variance.exp()) + normaliser

    def constant(self, features: float | Tensor) -> float | Tensor:
        return 0.0

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + (0.5 * self.log_variance).exp() * torch.randn_like(mean)


class StudentTLikelihood(Likelihood):
    """Logits (..., 2 features): the locations, then values that softplus turns into scales."""

    def __init__(self, features: int):
        super().__init__()
        self.freedom = nn.Parameter(torch.full((features,), 2.0))

    def mean(self, logits: Tensor) -> Tensor:
        return logits.chunk(2, dim=-1)[0]

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        return [{"op": "take", "first": features}]

    def logits(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, torch.zeros_like(mean)], dim=-1)

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        return torch.cat([changes, torch.zeros_like(changes)]), bias

    def find_precisions(self, logits: Tensor) -> Tensor:
        return torch.ones_like(logits)  # of a unit scale

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        location, spread = logits.chunk(2, dim=-1)
        return sum_cells(compute_student_losses(location, spread, self.freedom, x), x, observed)

    def sample(self, logits: Tensor) -> Tensor:
        location, scale, df = self.split_logits(logits)
        return torch.distributions.StudentT(df, location, scale).sample()

    def split_logits(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return location, scale and df."""
        location, spread = logits.chunk(2, dim=-1)
        return location, *bound_student_shape(spread, self.freedom)


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
