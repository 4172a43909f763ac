"""The prior of discrete codes: how probable which indices are, learned from training examples."""

from __future__ import annotations

from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from aecore.model.parts.base import Options
from aecore.model.parts.bottlenecks.base import IndexShape
from aecore.model.parts.linear import Linear

MAX_INDICES, MAX_LEVELS = 4096, 16384  # of one code, and of one index
EMBEDDING_DEVIATION = 0.02


class IndexPrior(Options):
    """p(i_1, ..., i_n) = prod_k p(i_k | i_1, ..., i_(k-1)) over the indices of a discrete code.

    By a causal transformer (Vaswani et al., 2017), place after place of the code. It is learned
    after the model, by the codes of the training examples (van den Oord et al., 2017, section 3.3).
    """

    kind: Literal["transformer"] = "transformer"
    layers: int = Field(3, ge=1, le=48, description="Number of blocks of attention and two layers.")
    width: int = Field(128, ge=8, le=2048, description="Values between blocks; heads share them.")
    attention_heads: int = Field(
        4, ge=1, le=64, description="Parts of the width that attend on their own."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of values left out in training.")
    epochs: int = Field(
        10, ge=1, le=100_000, description="Epochs of training, after those of the model."
    )
    batch_size: int = Field(64, ge=1, le=65536, description="Examples per step.")
    lr: float = Field(1e-3, gt=0, le=1, description="Size of the first steps; it falls to zero.")

    @model_validator(mode="after")
    def check_heads(self) -> Self:
        """Raise ValueError where heads cannot share the width evenly."""
        if self.width % self.attention_heads:
            raise ValueError(
                f"width {self.width} must be a multiple of attention_heads {self.attention_heads}"
            )
        return self

    def check_indices(self, shape: IndexShape) -> None:
        """Raise ValueError where codes of this shape have no prior over indices."""
        if not shape.length:
            raise ValueError(
                "a prior over indices is for discrete codes: choose a bottleneck of kind "
                "vector_quantized or finite_scalar, or set prior to null"
            )
        if shape.length > MAX_INDICES or shape.levels > MAX_LEVELS:
            raise ValueError(
                f"a prior is for at most {MAX_INDICES:,} indices of {MAX_LEVELS:,} values; codes "
                f"have {shape.length:,} of {shape.levels:,}: choose fewer, or set prior to null"
            )

    def count_weights(self, shape: IndexShape) -> int:
        """Return about how many weights the prior of such codes has."""
        embeddings = shape.levels * (shape.stages + 1) + shape.length
        return self.width * (embeddings + 12 * self.width * self.layers)

    def build(self, shape: IndexShape) -> TransformerPrior:
        """Return the module for codes of this shape."""
        return TransformerPrior(self, shape)


class TransformerPrior(nn.Module):
    """Maps indices to the logits of each of them, given those before it.

    Its weights have no gradient until they are learned, so that the model trains without them.
    """

    epochs_trained: Tensor  # (), zero where all codes are equally probable yet

    def __init__(self, options: IndexPrior, shape: IndexShape):
        super().__init__()
        self.options, self.shape = options, shape
        width = options.width
        self.embedding = nn.Parameter(torch.empty(1 + shape.stages * shape.levels, width))
        self.places = nn.Parameter(torch.empty(shape.length, width))
        self.blocks = nn.ModuleList(Block(options, shape.length) for _ in range(options.layers))
        self.norm = RootMeanSquareNorm(width)
        self.head = RowLinear(width, shape.levels)
        self.dropout = nn.Dropout(options.dropout)
        self.register_buffer("epochs_trained", torch.zeros((), dtype=torch.int64))
        for weight in (self.embedding, self.places):
            draw_normal(weight, EMBEDDING_DEVIATION)
        start_at_zero(self.head)
        self.requires_grad_(False)

    @property
    def is_trained(self) -> bool:
        """True where the prior has seen codes."""
        return not self.epochs_trained.is_meta and bool(self.epochs_trained > 0)

    def find_rows(self, indices: Tensor) -> Tensor:
        """Return the rows of the embedding of the first indices (N, n) of codes, by their stage."""
        stages = torch.arange(indices.shape[1], device=indices.device) % self.shape.stages
        return 1 + stages * self.shape.levels + indices

    def forward(self, indices: Tensor) -> Tensor:
        """Return the logits (N, count, levels) of indices (N, count), each given those before."""
        first = indices.new_zeros(len(indices), 1)
        rows = torch.cat([first, self.find_rows(indices[:, :-1])], dim=1)
        x = self.dropout(F.embedding(rows, self.embedding) + self.places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, indices: Tensor) -> Tensor:
        """Return -ln p of codes with these indices (N, count), in nats: (N,)."""
        logits = self(indices).transpose(1, 2)
        return F.cross_entropy(logits, indices, reduction="none").sum(1)


class Block(nn.Module):
    """Causal attention with a learned bias for each distance, then two layers; both residual."""

    def __init__(self, options: IndexPrior, count: int):
        super().__init__()
        width, self.heads = options.width, options.attention_heads
        self.attention_norm, self.layers_norm = RootMeanSquareNorm(width), RootMeanSquareNorm(width)
        self.to_attention = RowLinear(width, 3 * width)
        self.from_attention = RowLinear(width, width)
        self.wide, self.narrow = RowLinear(width, 4 * width), RowLinear(4 * width, width)
        self.distance_bias = nn.Parameter(torch.zeros(options.attention_heads, count))
        self.dropout = nn.Dropout(options.dropout)
        for layer in (self.to_attention, self.wide):
            draw_normal(layer.weight, width**-0.5)
            start_at_zero(layer, bias_alone=True)
        for layer in (self.from_attention, self.narrow):
            start_at_zero(layer)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, count, width) -> the same shape."""
        parts = self.to_attention(self.attention_norm(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, self.make_mask(x.shape[1]))
        x = x + self.dropout(self.from_attention(mixed.transpose(1, 2).flatten(2)))
        hidden = self.wide(self.layers_norm(x)).relu()
        return x + self.dropout(self.narrow(hidden))

    def make_mask(self, count: int) -> Tensor:
        """Return what is added to the attention (heads, to, from): none to later places."""
        place = torch.arange(count, device=self.distance_bias.device)
        distance = place[:, None] - place
        bias = self.distance_bias[:, distance.clamp(min=0)]
        return bias.masked_fill(distance < 0, -torch.inf)


class RowLinear(Linear):
    """x (N, n, in) -> x W^T + b (N, n, out), as one product of matrices."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class RootMeanSquareNorm(nn.Module):
    """x / rms(x) * gain (Zhang & Sennrich, 2019)."""

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.gain


def draw_normal(weight: Tensor, deviation: float) -> None:
    """Draw initial weights in place; not of a model without memory, which is to be loaded."""
    if not weight.is_meta:
        nn.init.normal_(weight, std=deviation)


def start_at_zero(layer: nn.Linear, bias_alone: bool = False) -> None:
    """Begin a layer at zero, or its bias."""
    nn.init.zeros_(layer.bias)
    if not bias_alone:
        nn.init.zeros_(layer.weight)
