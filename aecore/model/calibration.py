"""What a calibrated model keeps beside its weights: how far its intervals are stretched."""

from __future__ import annotations

import torch
from torch import Tensor

PROMISES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # shares of cells that intervals hold


def make_stretches(columns: int) -> Tensor:
    """Return the stretches (columns, promises) of a model that is not calibrated yet: zeros."""
    return torch.zeros(columns, len(PROMISES))
