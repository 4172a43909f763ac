"""Probabilities of indices that are the same to the last bit wherever they are computed.

A file opens only under the very probabilities that it was written under, and floating-point sums
depend on the order of their terms: on the processor, the library, the threads. So values are
rounded to multiples of powers of two and bounded, such that float64 holds all products and sums
without rounding: their order does not matter. The rest are sums, products, quotients and roots of
single values, which IEEE 754 defines to the last bit. (After Balle et al., 2019, Integer networks
for data compression with latent-variable models.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from aecore.model.parts.index_prior import TransformerPrior

# A product of a value and a weight has 20 + 18 bits, and a sum of at most 2^13 of them 51; one of
# two values has 40, and a sum of 2^12 of them 52. A float64 has 53.
VALUE_BITS, VALUE_LIMIT = 12, 256.0
WEIGHT_BITS, WEIGHT_LIMIT = 14, 16.0
SHARE_BITS = 20  # of attention
POWER_BITS = 30  # of exponentials
LOWEST_EXPONENT = -40.0
LN2 = 0.6931471805599453  # not of a library, which may round it otherwise
EXP_TERMS = [1 / math.factorial(n) for n in range(13, -1, -1)]
POWERS_OF_TWO = torch.tensor([2.0**n for n in range(-64, 1)], dtype=torch.float64)
MEMORY_VALUES = 2**24  # that a group of examples keeps: 134 MB


class ExactPrior:
    """Goes through the indices of N codes at once, place after place, on the CPU."""

    def __init__(self, prior: TransformerPrior):
        self.prior, self.shape, self.heads = prior, prior.shape, prior.options.attention_heads
        self.weights = {
            name: round_values(tensor.detach().cpu().double(), WEIGHT_BITS, WEIGHT_LIMIT)
            for name, tensor in prior.named_parameters()
        }
        self.place = 0
        self.memory: list[tuple[Tensor, Tensor]] = []  # keys and values of each block, so far

    def count_codes_at_once(self) -> int:
        """Return how many codes fit into memory together."""
        width, layers = self.prior.options.width, self.prior.options.layers
        return max(1, MEMORY_VALUES // (2 * layers * width * self.shape.length + self.shape.levels))

    def begin(self, count: int) -> None:
        """Go to the first place of `count` codes."""
        options = self.prior.options
        shape = (count, self.heads, self.shape.length, options.width // self.heads)
        empty = torch.empty(shape, dtype=torch.float64)
        self.place = 0
        self.memory = [(empty.clone(), empty.clone()) for _ in range(options.layers)]

    @torch.no_grad()
    def step(self, indices: Tensor | None) -> Tensor:
        """Return p of the index at the next place, (N, levels) float64, given those before it.

        `indices` (N,) are those of the place before; None at the first.
        """
        x = self.weights["embedding"][self.find_rows(indices)] + self.weights["places"][self.place]
        x = round_values(x)
        for block in range(len(self.memory)):
            x = round_values(x + self.attend(block, x))
            wide = self.apply_layer(f"blocks.{block}.wide", x, f"blocks.{block}.layers_norm")
            hidden = round_values(wide).clamp(min=0)
            x = round_values(x + self.apply_layer(f"blocks.{block}.narrow", hidden))
        self.place += 1
        powers = list_powers(self.apply_layer("head", x, "norm"))
        return powers / powers.sum(1, keepdim=True)

    def find_rows(self, indices: Tensor | None) -> Tensor:
        """Return the rows of the embedding that stand for the indices of the place before."""
        if indices is None:
            return torch.zeros(len(self.memory[0][0]), dtype=torch.int64)
        return 1 + (self.place - 1) % self.shape.stages * self.shape.levels + indices

    def apply_layer(self, name: str, x: Tensor, norm: str | None = None) -> Tensor:
        """Return what a layer gives for x (N, width), which may be normalised before."""
        if norm is not None:
            mean_square = x.square().sum(1, keepdim=True) * (1 / x.shape[1])
            x = round_values(x / (mean_square + 1e-6).sqrt() * self.weights[f"{norm}.gain"])
        return x @ self.weights[f"{name}.weight"].t() + self.weights[f"{name}.bias"]

    def attend(self, block: int, x: Tensor) -> Tensor:
        """Return what a block's attention adds to x (N, width), and remember this place."""
        name, (keys, values) = f"blocks.{block}", self.memory[block]
        mixed = round_values(self.apply_layer(f"{name}.to_attention", x, f"{name}.attention_norm"))
        query, key, value = mixed.unflatten(1, (3, self.heads, -1)).unbind(1)
        seen = self.place + 1
        keys[:, :, self.place], values[:, :, self.place] = key, value
        scores = (keys[:, :, :seen] @ query[..., None]).squeeze(-1) * (
            1 / math.sqrt(query.shape[-1])
        )
        powers = list_powers(scores + self.weights[f"{name}.distance_bias"][:, :seen].flip(1))
        shares = round_values(powers / powers.sum(-1, keepdim=True), SHARE_BITS)
        read = round_values((shares[:, :, None] @ values[:, :, :seen]).squeeze(2))
        return self.apply_layer(f"{name}.from_attention", read.flatten(1))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw the indices of codes: (count, indices) int64."""
        return torch.cat([self.draw_group(n, generator) for n in self.list_groups(count)])

    def draw_group(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw the indices of so many codes at once."""
        self.begin(count)
        drawn: list[Tensor] = []
        for _ in range(self.shape.length):
            probabilities = self.step(drawn[-1] if drawn else None)
            drawn.append(probabilities.multinomial(1, generator=generator).squeeze(1))
        return torch.stack(drawn, dim=1)

    def list_groups(self, count: int) -> Iterator[int]:
        """Yield the sizes of the groups that `count` codes are gone through in."""
        size = self.count_codes_at_once()
        for first in range(0, count, size):
            yield min(size, count - first)


def round_values(x: Tensor, bits: int = VALUE_BITS, limit: float = VALUE_LIMIT) -> Tensor:
    """Return x in multiples of 2^-bits, within the limit on either side."""
    return ((x * 2.0**bits).round() * 2.0**-bits).clamp(-limit, limit)


def list_powers(scores: Tensor) -> Tensor:
    """Return exp(score - the largest) of scores (..., n), in multiples of 2^-30."""
    differences = scores - scores.amax(-1, keepdim=True)
    return round_values(exponentiate(differences.clamp(min=LOWEST_EXPONENT)), POWER_BITS)


def exponentiate(x: Tensor) -> Tensor:
    """Return e^x, x float64 from LOWEST_EXPONENT to 0, by the terms of its series alone.

    Libraries' exponentials differ in the last bit.
    """
    halvings = (x * (1 / LN2)).round()
    rest = x - halvings * LN2
    result = torch.full_like(x, EXP_TERMS[0])
    for term in EXP_TERMS[1:]:
        result = result * rest  # not in one operation with the next: some machines round once
        result = result + term
    return result * POWERS_OF_TWO[halvings.long() + 64]
