"""The base of likelihoods whose noise is fitted to the errors, in closed form."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from aecore.model.parts.likelihoods.location import LocationLikelihood, Output

SpreadUnit = Literal["shared", "channel", "image"]
SPREAD_HELP = (
    "the best one for each batch, shared by all values, by each channel of pictures (or column), "
    "or by each image; for images outside of training the shared one holds."
)
LEAST_SPREAD = 1e-6  # a variance in [0, 1] below the 1.3e-6 of rounding to 8 bits
WINDOW = 100  # batches whose mean is kept


class SpreadLikelihood(LocationLikelihood):
    """A density about a location with a spread: the mean of what `deviate` makes of the errors.

    In training the spread is the best for the batch, which has no gradient: there the loss does
    not change with it. `loss` uses the mean of those of the last batches.
    """

    spread: Tensor  # (1,), or (channels,) where each has its own
    batches: Tensor  # () how many were seen

    def __init__(self, output: Output, unit: SpreadUnit, features: int, channels: int):
        super().__init__(output)
        self.unit, self.features = unit, features
        self.register_buffer("spread", torch.ones(channels if unit == "channel" else 1))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    # -- what a kind defines

    def deviate(self, errors: Tensor) -> Tensor:
        """Return what is averaged over cells to give the best spread, such as the squares."""
        raise NotImplementedError

    def weigh(self, deviations: Tensor, cells: Tensor | float, spread: Tensor) -> Tensor:
        """Return nats of so many cells, whose deviations have this sum."""
        raise NotImplementedError

    # -- the loss

    def loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        deviations, cells = self.sum_deviations(logits, x, observed)
        return self.weigh(deviations, cells, self.spread.clamp(min=LEAST_SPREAD)).sum(-1)

    def training_loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        if not self.training:
            return self.loss(logits, x, observed)
        deviations, cells = self.sum_deviations(logits, x, observed)
        pooled = self.pool_spread(deviations.detach(), cells)
        self.keep_spread(pooled)
        if self.unit == "image":
            pooled = (deviations.detach() / cells.clamp(min=1)).clamp(min=LEAST_SPREAD)
        return self.weigh(deviations, cells, pooled).sum(-1)

    def constant(self, features: float | Tensor) -> float | Tensor:
        return 0.0

    def sum_deviations(
        self, logits: Tensor, x: Tensor, observed: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the sums over the cells of each spread (..., N, spreads), and their counts.

        The counts are (N, spreads); without `observed` they are (spreads,).
        """
        deviations = self.deviate(self.mean(logits) - x)
        shape = (len(self.spread), -1)
        if observed is None:
            parts = deviations.flatten(-x.dim() + 1).unflatten(-1, shape)
            return parts.sum(-1), self.spread.new_full((len(self.spread),), parts.shape[-1])
        parts = deviations.masked_fill(~observed, 0).flatten(-x.dim() + 1).unflatten(-1, shape)
        counts = observed.flatten(1).unflatten(1, shape).sum(-1, dtype=x.dtype)
        return parts.sum(-1), counts

    def pool_spread(self, deviations: Tensor, cells: Tensor) -> Tensor:
        """Return the best spread for a batch, (spreads,); the one before where it has no cells."""
        cells = cells.expand(deviations.shape).flatten(0, -2).sum(0)
        best = deviations.flatten(0, -2).sum(0) / cells.clamp(min=1)
        return torch.where(cells > 0, best.clamp(min=LEAST_SPREAD), self.spread)

    @torch.no_grad()
    def keep_spread(self, pooled: Tensor) -> None:
        """Take the spread of one more batch into the mean."""
        self.batches.add_(1)
        self.spread.lerp_(pooled, (1 / self.batches).clamp(min=1 / WINDOW))

    @torch.no_grad()
    def start_spread(self, logits: Tensor, x: Tensor) -> None:
        self.spread.copy_(self.pool_spread(*self.sum_deviations(logits, x, None)))

    # -- the spread of each cell

    def list_spreads(self, logits: Tensor) -> Tensor:
        """Return the spread of each of the logits (features,) of one example."""
        return self.spread.repeat_interleave(len(logits) // len(self.spread))

    def spread_over_cells(self) -> Tensor:
        """Return the spread in a shape that goes with examples: (C, 1, 1) for pictures."""
        is_column = len(self.spread) in (1, self.features)
        return self.spread if is_column else self.spread[:, None, None]
