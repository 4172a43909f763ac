"""Dead units of sparse codes: which have not been active for long, and the code that revives them.

Gao et al. (2024), Scaling and Evaluating Sparse Autoencoders, appendix A.2: the dead units whose
values are largest reconstruct what the others leave, and so get a gradient again.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

REVIVED_UNITS = 512  # that try at once, at most; the paper's choice for its smallest model

AuxiliaryWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Weight of the auxiliary loss, by which dead units learn what the others "
        "leave; the paper has 1/32. 0: none.",
    ),
]
DeadAfter = Annotated[
    int,
    Field(
        ge=1,
        le=1_000_000,
        description="Steps without activity after which a unit counts as dead.",
    ),
]


class DeadUnits(nn.Module):
    """Counts for each unit the steps since it was last active. The counts are saved, to resume."""

    idle_steps: Tensor

    def __init__(self, latent_dim: int, dead_after: int):
        super().__init__()
        self.dead_after = dead_after
        self.register_buffer("idle_steps", torch.zeros(latent_dim, dtype=torch.int64))

    @torch.no_grad()
    def count_step(self, z: Tensor) -> None:
        """Count one step, with the codes z (N, latent_dim) of its batch."""
        self.idle_steps.add_(1).masked_fill_((z != 0).any(0), 0)

    def select_code(self, h: Tensor, ranks: Tensor) -> Tensor:
        """Return h (N, latent_dim) where a unit is dead and among the highest `ranks`, else 0."""
        is_dead = self.idle_steps >= self.dead_after
        count = min(REVIVED_UNITS, h.shape[1])
        return keep_highest(h, ranks.masked_fill(~is_dead, -torch.inf), count) * is_dead


def keep_highest(z: Tensor, ranks: Tensor, count: int) -> Tensor:
    """Return z (N, latent_dim) with all but the `count` units of highest rank in each row at 0."""
    highest = ranks.topk(count, dim=1).indices
    return torch.zeros_like(z).scatter(1, highest, z.gather(1, highest))
