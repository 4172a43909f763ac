"""Columns of words: logits and ones and zeros, word by word, and what belongs to one column."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEVER = -1e9  # the logit of a word that does not exist


class WordColumns(nn.Module):
    """Some columns of words one after the other, with so many words each."""

    places: Tensor  # (columns, most words of one) among all words, padded by their number
    rows: Tensor  # (words,) the column of each word

    def __init__(self, counts: Sequence[int]):
        super().__init__()
        rows, start = [], 0
        for count in counts:
            rows.append([*range(start, start + count), *[sum(counts)] * (max(counts) - count)])
            start += count
        places = make_places(rows).reshape(len(counts), max(counts, default=0))
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("rows", (places < sum(counts)).nonzero()[:, 0], persistent=False)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Return ln p of each word among those of its column, (..., words) both."""
        return logits - self.pad(logits).logsumexp(-1)[..., self.rows]

    def draw(self, logits: Tensor) -> Tensor:
        """Draw a word of each column: ones and zeros (..., words). By Gumbel's noise (1954)."""
        uniform = torch.rand_like(logits).clamp(1e-20, 1 - 1e-7)
        noisy = logits - (-uniform.log()).log()
        return (noisy == self.pad(noisy).amax(-1)[..., self.rows]).to(logits)

    def pad(self, words: Tensor) -> Tensor:
        """Return values (..., words) as (..., columns, most words of one)."""
        return F.pad(words, (0, 1), value=NEVER)[..., self.places]


def make_places(places: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
    """Return places as a tensor that holds them also in a model without memory, to be loaded."""
    return torch.tensor(places, dtype=torch.long, device="cpu")
