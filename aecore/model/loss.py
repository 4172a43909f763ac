"""The loss of a batch, with its parts."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Loss(NamedTuple):
    """Means over the batch; total is what is minimised. Of several models together, (models,)."""

    total: Tensor
    reconstruction: Tensor  # squared error or nats, summed over features
    rate: Tensor  # the bottleneck's cost, unweighted: KL in nats, or the quantiser's terms
    penalty: Tensor  # the sum of the penalties, weighted
