"""The likelihood of a mixed table: each column is modelled as what it is.

A row's loss is the sum of its columns' nats: a Gaussian or Student's t for numbers, a categorical
distribution for words, a cumulative link for ordered categories, Bernoulli for yes and no, Poisson
or negative binomial for counts (Nazábal et al., 2020, Handling Incomplete Heterogeneous Data using
VAEs; ordered categories: McCullagh, 1980, Regression Models for Ordinal Data).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.column_heads import Head, HeadKind, find_features
from aecore.model.parts.distributions import (
    MAX_LOG_RATE,
    compute_negative_binomial_losses,
    compute_poisson_losses,
    compute_rank_losses,
    compute_spread_losses,
    draw_counts,
    draw_numbers,
    make_cuts,
    make_steps,
)
from aecore.model.parts.likelihoods.base import Likelihood, LikelihoodBase, inverse_sigmoid
from aecore.model.parts.word_columns import WordColumns, make_places


class Mixed(LikelihoodBase):
    """-ln p(x|z) = sum over columns of -ln p(x_j|z), each column with a distribution of its kind.

    Features of words are ones and zeros, an ordered category is its rank. A missing word is all
    zeros to the encoder, other missing cells are their column's mean. Without heads, every feature
    is a number.
    """

    kind: Literal["mixed"] = "mixed"
    heads: tuple[Head, ...] = Field((), max_length=100_000, description="The table's columns.")
    numbers: Literal["gaussian", "gaussian_spread", "student_t"] = Field(
        "gaussian",
        description="The distribution of numbers. gaussian_spread: the decoder gives each cell a "
        "spread of its own; student_t: so too, and odd cells move it little.",
    )
    variance: float = Field(
        0.5, gt=0, le=1e6, description="Noise variance of numbers where they are Gaussian."
    )
    counts: Literal["poisson", "negative_binomial"] = Field(
        "poisson", description="The distribution of columns read as counts."
    )

    menu_position: ClassVar[int] = 8
    takes_pictures: ClassVar[bool] = False
    allows_tied: ClassVar[bool] = False

    def build(self, features: int, channels: int = 1) -> MixedLikelihood:
        return MixedLikelihood(self, features)

    def count_logits(self, features: int, channels: int = 1) -> int:
        if self.numbers == "gaussian":
            return features
        return features + len(find_features(self.list_heads(features), "number"))

    def check_features(self, features: int) -> None:
        if self.heads and sum(head.features for head in self.heads) != features:
            raise ValueError(f"the heads of the likelihood must cover {features} features")

    def list_heads(self, features: int) -> tuple[Head, ...]:
        """Return the heads of all features, which are numbers where none is named."""
        return self.heads or (Head(kind="number"),) * features

    def list_slices(self, features: int) -> tuple[slice, ...]:
        """Return the features of each column."""
        slices, start = [], 0
        for head in self.list_heads(features):
            slices.append(slice(start, start + head.features))
            start += head.features
        return tuple(slices)

    def list_kinds(self, features: int) -> tuple[str, ...]:
        """Return the kind of each column."""
        return tuple(head.kind for head in self.list_heads(features))

    def find_unscaled(self, features: int) -> list[int]:
        """Return the features that are ones and zeros, which are not scaled."""
        return find_features(self.list_heads(features), "category")


class MixedLikelihood(Likelihood):
    """Logits (..., features), then a spread for each number unless all have one variance.

    The logits of words are unnormalised, those of an ordered category and of numbers are locations,
    those of counts log rates.
    """

    numbers: Tensor  # places of the features of each kind
    words: Tensor
    flags: Tensor
    counted: Tensor
    owners: Tensor
    firsts: Tensor  # (columns,) the first feature of each
    shift: Tensor  # (features,) of the scaling: flags, ranks and counts count in the data's units
    scale: Tensor

    def __init__(self, options: Mixed, features: int):
        super().__init__()
        self.options, self.features = options, features
        self.heads = options.list_heads(features)
        column_of = [j for j, head in enumerate(self.heads) for _ in range(head.features)]
        self.has_spread = options.numbers != "gaussian"
        for name, kind in KIND_OF_BUFFER.items():
            self._keep(name, make_places(find_features(self.heads, kind)))
        counts = [head.features for head in self.heads if head.kind == "category"]
        self.word_columns = WordColumns(counts)
        self._keep("owners", make_places(column_of))
        firsts = [part.start for part in options.list_slices(features)]
        self._keep("firsts", make_places(firsts))
        self.register_buffer("shift", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        is_student = options.numbers == "student_t"
        freedom = torch.full((len(self.numbers),), 2.0)
        self.freedom = nn.Parameter(freedom) if is_student else None
        self.is_dispersed = options.counts == "negative_binomial" and len(self.counted) > 0
        if self.is_dispersed:
            self.log_dispersion = nn.Parameter(torch.zeros(len(self.counted)))
        self.ordered = find_features(self.heads, "ordered")
        ranks = [head.ranks for head in self.heads if head.kind == "ordered"]
        self.steps = nn.ParameterList(make_steps(count) for count in ranks)

    def _keep(self, name: str, values: Tensor) -> None:
        """Keep places of features with the module, but not among its weights."""
        self.register_buffer(name, values, persistent=False)

    # -- what a reconstruction is

    def mean(self, logits: Tensor) -> Tensor:
        """Return means of numbers and counts, probabilities of words and flags, expected ranks."""
        mean = logits[..., : self.features].clone()
        if len(self.words):
            mean[..., self.words] = self.word_columns.log_probabilities(
                logits[..., self.words]
            ).exp()
        mean[..., self.flags] = self.to_network(logits[..., self.flags].sigmoid(), self.flags)
        mean[..., self.counted] = self.to_network(self.log_rate(logits).exp(), self.counted)
        for place, steps in zip(self.ordered, self.steps, strict=True):
            above = (logits[..., place, None] - make_cuts(steps)).sigmoid()
            mean[..., place] = (above.sum(-1) - self.shift[place]) / self.scale[place]
        return mean

    def mean_steps(self, features: int) -> list[dict[str, Any]]:
        slices = zip(self.heads, self.options.list_slices(features), strict=True)

        def describe_units(place: int) -> dict[str, Any]:
            shift, scale = self.shift[place].item(), self.scale[place].item()
            return {"place": place, "shift": shift, "scale": scale}

        step = {
            "op": "columns",
            "words": [[part.start, part.stop] for head, part in slices if head.kind == "category"],
            "flags": [describe_units(place) for place in self.flags.tolist()],
            "counts": [describe_units(place) for place in self.counted.tolist()],
            "ordered": [
                {**describe_units(place), "cuts": make_cuts(steps).tolist()}
                for place, steps in zip(self.ordered, self.steps, strict=True)
            ],
        }
        return [{"op": "take", "first": features}, step]

    def logits(self, mean: Tensor) -> Tensor:
        """Return logits of about this mean; ordered categories begin at their middle."""
        logits = mean.clone()
        logits[..., self.words] = mean[..., self.words].clamp(min=1e-3).log()
        logits[..., self.flags] = inverse_sigmoid(self.to_data(mean, self.flags))
        counts = self.to_data(mean, self.counted)
        logits[..., self.counted] = counts.clamp(min=1e-3).log()
        logits[..., self.ordered] = 0
        spread = mean.new_zeros(*mean.shape[:-1], len(self.numbers) if self.has_spread else 0)
        return torch.cat([logits, spread], dim=-1)

    def fit_directions(
        self, changes: Tensor, z: Tensor, x: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return those of the numbers' locations; all other weights are zero, to be learned."""
        weight = x.new_zeros(len(bias), z.shape[1])
        weight[self.numbers] = changes[self.numbers]
        return weight, bias

    def find_precisions(self, logits: Tensor) -> Tensor:
        return torch.full_like(logits, 1 if self.has_spread else 1 / self.options.variance)

    # -- losses

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.column_losses(logits, x, observed).sum(-1)

    def column_losses(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the nats of each column: logits (..., N, L), x (N, features) -> (..., N, columns).

        With `observed` (N, features), columns whose cell is missing have none.
        """
        losses = logits.new_zeros(*logits.shape[:-1], len(self.heads))
        for places, values in self.list_losses(logits, x):
            losses = losses.index_add(-1, self.owners[places], values)
        if observed is None:
            return losses
        return losses.masked_fill(~observed[:, self.firsts], 0)

    def list_losses(self, logits: Tensor, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return for each kind of column the places of its features, and their nats."""
        losses = []
        if len(self.numbers):
            losses.append((self.numbers, self.number_losses(logits, x)))
        if len(self.words):
            nats = -x[:, self.words] * self.word_columns.log_probabilities(logits[..., self.words])
            losses.append((self.words, nats))
        if len(self.flags):
            flags = logits[..., self.flags]
            truth = self.to_data(x, self.flags).clamp(0, 1)  # new rows may hold other numbers
            nats = F.softplus(flags) - truth * flags
            losses.append((self.flags, nats))
        if len(self.counted):
            losses.append((self.counted, self.count_losses(logits, x)))
        for place, steps in zip(self.ordered, self.steps, strict=True):
            rank = self.to_data(x, place).round().clamp(0, len(steps))
            nats = compute_rank_losses(logits[..., place], rank, make_cuts(steps))
            losses.append((self.owners.new_tensor([place]), nats[..., None]))
        return losses

    def number_losses(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return the nats of each number, (..., N, numbers)."""
        location, x = logits[..., self.numbers], x[:, self.numbers]
        if self.has_spread:
            return compute_spread_losses(location, logits[..., self.features :], self.freedom, x)
        variance = self.options.variance
        return (location - x).square() / (2 * variance) + math.log(2 * math.pi * variance) / 2

    def count_losses(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return the nats of each count, (..., N, counts)."""
        log_rate, counts = self.log_rate(logits), self.to_data(x, self.counted).round().clamp(min=0)
        if not self.is_dispersed:
            return compute_poisson_losses(log_rate, counts)
        return compute_negative_binomial_losses(log_rate, self.log_dispersion, counts)

    # -- draws

    def sample(self, logits: Tensor) -> Tensor:
        sample = self.mean(logits)
        sample[..., self.numbers] = self.sample_numbers(logits)
        flags = logits[..., self.flags].sigmoid().bernoulli()
        sample[..., self.flags] = self.to_network(flags, self.flags)
        rate = self.log_rate(logits).exp()
        dispersion = self.log_dispersion if self.is_dispersed else None
        sample[..., self.counted] = self.to_network(draw_counts(rate, dispersion), self.counted)
        if len(self.words):
            sample[..., self.words] = self.word_columns.draw(logits[..., self.words])
        for place, steps in zip(self.ordered, self.steps, strict=True):
            above = (logits[..., place, None] - make_cuts(steps)).sigmoid()
            rank = (torch.rand_like(above[..., :1]) < above).sum(-1)
            sample[..., place] = (rank - self.shift[place]) / self.scale[place]
        return sample

    def sample_numbers(self, logits: Tensor) -> Tensor:
        """Draw each number, (..., N, numbers)."""
        location = logits[..., self.numbers]
        if not self.has_spread:
            return location + math.sqrt(self.options.variance) * torch.randn_like(location)
        return draw_numbers(location, logits[..., self.features :], self.freedom)

    # -- units

    def log_rate(self, logits: Tensor) -> Tensor:
        """Return the log rate of each count, (..., N, counts)."""
        return logits[..., self.counted].clamp(max=MAX_LOG_RATE)

    def to_data(self, x: Tensor, places: Tensor | int) -> Tensor:
        """Return some features of x in the data's units."""
        return x[..., places] * self.scale[places] + self.shift[places]

    def to_network(self, values: Tensor, places: Tensor) -> Tensor:
        """Return values of some features in the network's units."""
        return (values - self.shift[places]) / self.scale[places]

    def fit_units(self, shift: Tensor, scale: Tensor) -> None:
        """Take over the scaling (features,) of the model."""
        self.shift.copy_(shift)
        self.scale.copy_(scale)


KIND_OF_BUFFER: dict[str, HeadKind] = {
    "numbers": "number",
    "words": "category",
    "flags": "boolean",
    "counted": "count",
}
