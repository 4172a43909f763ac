"""Student's t of tables with outliers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from aecore.model.parts.distributions import bound_student_shape, compute_student_losses
from aecore.model.parts.likelihoods.base import Likelihood, LikelihoodBase, sum_cells


class StudentT(LikelihoodBase):
    """-log p(x|z) = -sum ln St(x; location, scale, df).

    For columns with outliers, which would dominate a Gaussian's loss. The decoder gives the
    location and scale of each value; df > 3 is learned, one for each column.
    """

    kind: Literal["student_t"] = "student_t"

    menu_position: ClassVar[int] = 7
    takes_pictures: ClassVar[bool] = False
    allows_tied: ClassVar[bool] = False

    def build(self, features: int, channels: int = 1) -> Likelihood:
        return StudentTLikelihood(features)

    def count_logits(self, features: int, channels: int = 1) -> int:
        return 2 * features


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
