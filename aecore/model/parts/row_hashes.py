"""Hashes of rows: a model knows by them which rows it saw, without holding any.

Whoever has a row can find out whether its hash is among them; whoever has the hashes alone cannot
tell the rows of numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

# of splitmix64 (Steele et al., 2014, Fast Splittable Pseudorandom Number Generators), as int64
STEP = 0x9E3779B97F4A7C15 - 2**64
FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
SHIFTS = (30, 27, 31)


def hash_rows(x: Tensor) -> Tensor:
    """Return a hash of 64 bits for each row of x (N, features): (N,) int64.

    It is of the values as float32, whatever the precision of x; all NaN are alike.
    """
    values = x.detach().flatten(1).float() + 0.0  # -0 becomes 0
    values = values.masked_fill(values.isnan(), torch.nan)
    bits = values.contiguous().view(torch.int32).long()
    places = torch.arange(1, bits.shape[1] + 1, device=x.device)
    cells = _mix_bits(bits + _mix_bits(places * STEP))
    return _mix_bits(cells.sum(1))


def _mix_bits(bits: Tensor) -> Tensor:
    """Return int64 whose every bit depends on all bits of the given ones."""
    for shift, factor in zip(SHIFTS, FACTORS, strict=False):
        bits = (bits ^ _shift_right(bits, shift)) * factor
    return bits ^ _shift_right(bits, SHIFTS[2])


def _shift_right(bits: Tensor, count: int) -> Tensor:
    """Return int64 shifted as if they had no sign."""
    return (bits >> count) & ((1 << (64 - count)) - 1)


def find_known_rows(known: Tensor, x: Tensor) -> Tensor:
    """Return which rows x (N, features) are among the ascending hashes `known` (M, K): (M, N)."""
    hashes = hash_rows(x).expand(len(known), -1).contiguous()
    places = torch.searchsorted(known, hashes).clamp(max=known.shape[1] - 1)
    return known.gather(1, places) == hashes
