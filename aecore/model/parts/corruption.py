"""Corruption: noise added to the input before the encoder, in training only.

Each kind is its options and, called with scaled inputs x, returns them corrupted; `owners`
(features,) is the column of each feature where columns have several. The target of the
reconstruction stays clean, and every call draws new noise (Vincent et al., 2010, "Stacked Denoising
Autoencoders", JMLR 11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from aecore.model.parts.base import LIVE, Options


class GaussianNoise(Options):
    """x~ = x + sigma * eps,  eps ~ N(0, I); not clipped, so that the noise keeps its variance.

    With `lowest_sigma`, each example has a strength of its own, uniform between that and sigma: one
    model learns to undo them all (Zhang et al., 2017, Beyond a Gaussian Denoiser).
    Words and flags of a mixed table, ones and zeros, are drawn anew instead: each word of the
    column as likely, with probability `words`.
    """

    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Field(
        0.3,
        ge=0,
        le=10,
        description="Standard deviation of the noise; pixels span 0 to 1, columns are scaled.",
        json_schema_extra=LIVE,
    )
    lowest_sigma: float | None = Field(
        None,
        ge=0,
        le=10,
        description="Each example gets noise of its own strength, between this and sigma; none: of "
        "strength sigma, all alike.",
    )
    words: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Probability that a word or a flag of a table is replaced by a random one.",
        json_schema_extra=LIVE,
    )

    def __call__(self, x: Tensor, owners: Tensor | None = None) -> Tensor:
        return x + self.draw_sigma(x) * torch.randn_like(x)

    def draw_sigma(self, x: Tensor) -> Tensor | float:
        """Return the strength for each example x (N, ...), as (N, 1, ...), or one for all."""
        if self.lowest_sigma is None:
            return self.sigma
        share = torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device, dtype=x.dtype)
        return self.lowest_sigma + share * (self.sigma - self.lowest_sigma)

    def replace_words(self, noisy: Tensor, x: Tensor, columns: Sequence[slice]) -> Tensor:
        """Return `noisy` with columns of words as they are in x (N, features), or drawn anew.

        Missing words, all zeros, stay missing.
        """
        parts = [self.draw_words(x[:, part]) for part in columns]
        for part, words in zip(columns, parts, strict=True):
            noisy[:, part] = words
        return noisy

    def draw_words(self, words: Tensor) -> Tensor:
        """Return one column of words (N, k), ones and zeros, some rows drawn anew."""
        count, k = words.shape
        is_new = torch.rand(count, 1, device=words.device) < self.words
        if k == 1:  # a flag is scaled: its two values are the ends of the column
            is_low = torch.rand_like(words) < 0.5
            return torch.where(is_new, torch.where(is_low, words.amin(0), words.amax(0)), words)
        drawn = torch.randint(k, (count,), device=words.device)
        fresh = torch.nn.functional.one_hot(drawn, k).to(words) * words.sum(1, keepdim=True)
        return torch.where(is_new, fresh, words)


class Masking(Options):
    """x~_i = 0 with probability nu, else x_i. No 1 / (1 - nu) rescaling: this is not dropout.

    The features of a column of words are hidden together: one of them would tell the others.
    """

    kind: Literal["masking"] = "masking"
    fraction: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Probability that a value is set to zero.",
        json_schema_extra=LIVE,
    )

    def __call__(self, x: Tensor, owners: Tensor | None = None) -> Tensor:
        if owners is None:
            return x * (torch.rand_like(x) >= self.fraction)
        kept = torch.rand(len(x), int(owners[-1]) + 1, device=x.device) >= self.fraction
        return x * kept[:, owners]


class SaltAndPepper(Options):
    """x~_i = low or high (a coin each) with probability nu, else x_i; low and high are 0 and 1."""

    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    fraction: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Probability that a value becomes 0 or 1.",
        json_schema_extra=LIVE,
    )

    def __call__(self, x: Tensor, owners: Tensor | None = None) -> Tensor:
        u = torch.rand_like(x)
        is_salt = u < self.fraction / 2
        is_pepper = (u >= self.fraction / 2) & (u < self.fraction)
        salted = torch.where(is_salt, torch.ones_like(x), x)
        return torch.where(is_pepper, torch.zeros_like(x), salted)


Corruption = Annotated[GaussianNoise | Masking | SaltAndPepper, Field(discriminator="kind")]
