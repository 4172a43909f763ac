"""Likelihood: how far a reconstruction is from its input. Sums over features, one value an example."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from aecore.model.parts.base import Options


class Gaussian(Options):
    """-log p(x|z) = |x - x^|^2 / (2 variance) + d/2 ln(2 pi variance).

    At the default variance of 1/2 the training loss is the squared error itself.
    """

    kind: Literal["gaussian"] = "gaussian"
    variance: float = Field(
        0.5,
        gt=0,
        le=1e6,
        description="Noise variance of the decoder; 0.5 makes the loss the squared error.",
    )

    output: Literal["linear", "sigmoid"] = Field(
        "linear", description="sigmoid keeps reconstructions between 0 and 1, as pixels are."
    )
    learned: bool = Field(
        False, description="The noise variance is learned too, starting from the one above."
    )

    outputs: ClassVar[int] = 1  # values that the decoder gives for each feature

    def build(self, features: int) -> Likelihood:
        return LearnedGaussian(self) if self.learned else FixedGaussian(self)


class Bernoulli(Options):
    """-log p(x|z) = sum softplus(l) - x l  for logits l and x in [0, 1]: the cross-entropy.

    For grey pixels it has a floor above zero, the entropy of x: 45.5 nats for MNIST's test images.
    """

    kind: Literal["bernoulli"] = "bernoulli"

    outputs: ClassVar[int] = 1

    def build(self, features: int) -> Likelihood:
        return Likelihood()


class StudentT(Options):
    """-log p(x|z) = -sum ln St(x; location, scale, df): columns with outliers, which a Gaussian would chase.

    The decoder gives each value's location and scale; df > 3 is learned, one for each column.
    """

    kind: Literal["student_t"] = "student_t"

    outputs: ClassVar[int] = 2

    def build(self, features: int) -> Likelihood:
        return StudentTLikelihood(features)


LikelihoodOptions = Annotated[Gaussian | Bernoulli | StudentT, Field(discriminator="kind")]


class Likelihood(nn.Module):
    """The cross-entropy; the others replace what differs."""

    def mean(self, logits: Tensor) -> Tensor:
        """The reconstruction, in the units that the network works in: here a probability for each pixel."""
        return logits.sigmoid()

    def logits(self, mean: Tensor) -> Tensor:
        """What the decoder must give for these probabilities."""
        return inverse_sigmoid(mean)

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """(..., *shape), (N, *shape) -> (..., N): nats, but for a constant; of the `observed` cells where given."""
        rows, cells = logits.flatten(-x.dim() + 1), x.flatten(1)
        return CrossEntropy.apply(rows, cells, None if observed is None else observed.flatten(1))

    def constant(self, features: float | Tensor) -> float | Tensor:
        """What `loss` leaves out of so many observed cells, in nats."""
        return 0.0

    def sample(self, logits: Tensor) -> Tensor:
        """A draw of p(x|z), like `mean`."""
        return self.mean(logits).bernoulli()


class FixedGaussian(Likelihood):
    """Squared error / (2 variance): its constant has no gradient and would only hide the error."""

    def __init__(self, options: Gaussian):
        super().__init__()
        self.variance, self.squashed = options.variance, options.output == "sigmoid"

    def mean(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.squashed else logits

    def logits(self, mean: Tensor) -> Tensor:
        return inverse_sigmoid(mean) if self.squashed else mean

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
        volume = cells / 2 * (math.log(2 * math.pi) + self.log_variance)
        return (
            sum_cells((self.mean(logits) - x).square(), x, observed) / (2 * self.log_variance.exp())
            + volume
        )

    def constant(self, features: float | Tensor) -> float | Tensor:
        return 0.0

    def sample(self, logits: Tensor) -> Tensor:
        mean = self.mean(logits)
        return mean + (0.5 * self.log_variance).exp() * torch.randn_like(mean)


class StudentTLikelihood(Likelihood):
    """Logits (..., 2 features): locations, then what becomes the scales."""

    def __init__(self, features: int):
        super().__init__()
        self.freedom = nn.Parameter(torch.full((features,), 2.0))

    def mean(self, logits: Tensor) -> Tensor:
        return logits.chunk(2, dim=-1)[0]

    def logits(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, torch.zeros_like(mean)], dim=-1)

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        location, scale, df = self.parameters_of(logits)
        volume = (
            torch.lgamma(df / 2)
            - torch.lgamma((df + 1) / 2)
            + 0.5 * (df * math.pi).log()
            + scale.log()
        )
        distance = ((x - location) / scale).square()
        return sum_cells(volume + (df + 1) / 2 * (distance / df).log1p(), x, observed)

    def sample(self, logits: Tensor) -> Tensor:
        location, scale, df = self.parameters_of(logits)
        return torch.distributions.StudentT(df, location, scale).sample()

    def parameters_of(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Location, scale and df; scales and df keep off where the density has a pole or no variance."""
        location, scale = logits.chunk(2, dim=-1)
        return location, F.softplus(scale) + 1e-3, 3 + F.softplus(self.freedom)


def sum_cells(cells: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
    """(..., N, *shape) -> (..., N): the sum of each example's cells, or of those `observed` (N, *shape)."""
    if observed is not None:
        cells = cells.masked_fill(~observed, 0)
    return cells.flatten(-x.dim() + 1).sum(-1)


class CrossEntropy(torch.autograd.Function):
    """sum_j softplus(l_j) - x_j l_j for logits (..., N, d), x (N, d): (..., N), with gradient sigmoid(l) - x.

    max(l, 0) - ln sigmoid(|l|) is the stable softplus written with operations that are vectorised on
    CPUs: eight times as fast there as the built-in one, which alone took a fifth of a training step. With many
    samples of each example it goes part by part, so that what lies between the operations stays in the caches.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
        ctx.save_for_backward(logits, x, observed)
        out = logits.new_empty(logits.shape[:-1])
        for part, its_sum in split_samples(logits, out):
            cells = (
                part.abs()
                .sigmoid_()
                .log_()
                .neg_()
                .add_(part.clamp(min=0))
                .addcmul_(x, part, value=-1)
            )
            torch.sum(cells if observed is None else cells.mul_(observed), -1, out=its_sum)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        logits, x, observed = ctx.saved_tensors
        out = torch.empty_like(logits)
        for (part, its_gradient), (_, weight) in zip(
            split_samples(logits, out), split_samples(logits, gradient), strict=True
        ):
            torch.sigmoid(part, out=its_gradient).sub_(x).mul_(weight[..., None])
            if observed is not None:
                its_gradient.mul_(observed)
        return out, None, None


def split_samples(logits: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both tensors (samples, ...) one sample at a time on a CPU; as they are elsewhere, and where there are none."""
    if logits.dim() > 2 and logits.device.type == "cpu":
        return zip(logits.unbind(), other.unbind(), strict=True)
    return iter([(logits, other)])


def inverse_sigmoid(p: Tensor) -> Tensor:
    """ln p / (1 - p), for p kept off 0 and 1."""
    return p.clamp(1e-3, 1 - 1e-3).logit()
