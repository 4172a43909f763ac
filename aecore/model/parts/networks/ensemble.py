"""Many small networks beside each other, each trained on a few rows of its own.

The weights of a layer are one tensor, so that all networks make one batched product. A row is to be
scored by those that have not seen it: see aecore/tasks/anomaly.py. Small random samples are what
isolation forests are made of too, since anomalies are rare in each (Liu et al., 2008, Isolation
Forest), and a few columns for each find what is odd in a few (Lazarevic & Kumar, 2005, Feature
Bagging for Outlier Detection).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aecore.model.parts.member_layers import MemberStack, join_members
from aecore.model.parts.networks.base import (
    Activation,
    Decoder,
    Encoder,
    Features,
    NetworkBase,
)
from aecore.model.parts.row_hashes import find_known_rows, hash_rows

Width = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(gt=0, le=1)]
SampleRows = Annotated[int, Field(ge=1, le=65536)]

FEWEST_COLUMNS = 3  # of a member: what is odd in all columns shows in fewer hardly


class Ensemble(NetworkBase):
    """z = (f_1(x), ..., f_M(x)),  x^ = 1/M sum_m g_m(z_m): members of equal size, for tables.

    In training, example i of a batch is member i mod M's, and no other sees it.
    """

    kind: Literal["ensemble"] = "ensemble"
    members: int = Field(
        8,
        ge=1,
        le=1024,
        description="Small networks, which share the units of the code.",
    )
    hidden: tuple[Width, ...] = Field(
        (32,),
        max_length=16,
        description="Widths of the hidden layers of each member's encoder; its decoder mirrors "
        "them.",
    )
    activation: Activation = Field("relu", description="Non-linearity of the hidden layers.")
    code_activation: Activation = Field("relu", description="Non-linearity of the code layer.")
    rows: tuple[SampleRows, ...] = Field(
        (64,),
        min_length=1,
        max_length=16,
        description="Training rows that a member sees, drawn by seed, at most half of all; several "
        "numbers are taken in turns.",
    )
    columns: tuple[Share, ...] = Field(
        (1.0,),
        min_length=1,
        max_length=16,
        description="Share of the table's columns that a member sees, three or more of them, dealt "
        "out so that all are seen alike; several shares are taken in turns.",
    )

    shares_columns: ClassVar[bool] = True

    def build(
        self, input_shape: Sequence[int], outputs: int, latent_dim: int, logits: int | None = None
    ) -> tuple[EnsembleEncoder, EnsembleDecoder]:
        features, units = math.prod(input_shape), latent_dim // self.members
        encoder = EnsembleEncoder(self, [features, *self.hidden, units])
        outputs_of_each = features if logits is None else logits
        widths = [units, *reversed(self.hidden), outputs_of_each]
        return encoder, EnsembleDecoder(self, widths)

    def share_columns(self, encoder: Encoder, decoder: Decoder, columns: Sequence[slice]) -> None:
        assert isinstance(encoder, EnsembleEncoder) and isinstance(decoder, EnsembleDecoder)
        dealt = self.deal_columns(len(columns))
        widths = torch.tensor([part.stop - part.start for part in columns], device="cpu")
        sees = dealt.repeat_interleave(widths, dim=1).to(encoder.sees)
        encoder.see(sees)
        decoder.answer(sees)

    def deal_columns(self, count: int) -> Tensor:
        """Return which of `count` columns each member sees, (members, count) bool.

        Members of one share get theirs from shuffled decks, each dealt out before the next one, so
        that no column is seen much more often than another.
        """
        generator = torch.Generator().manual_seed(0)
        dealt = torch.zeros(self.members, count, dtype=torch.bool, device="cpu")
        kinds = min(len(self.columns), self.members)
        for place, share in enumerate(self.columns[:kinds]):
            members = len(dealt[place::kinds])
            size = min(
                count, max(FEWEST_COLUMNS, math.ceil(share * count), math.ceil(count / members))
            )
            hands = math.ceil(count / size)  # of a deck
            places = torch.arange(hands * size, device="cpu") % count
            decks = [
                torch.randperm(count, generator=generator, device="cpu")[places]
                for _ in range(math.ceil(members / hands))
            ]
            cards = torch.cat(decks).reshape(-1, size)[:members]
            dealt[place::kinds] = dealt[place::kinds].scatter(1, cards, True)
        return dealt

    @property
    def layer_activations(self) -> tuple[str, ...]:
        return (self.activation,) * len(self.hidden) + (self.code_activation,)

    def check_input_shape(self, input_shape: Sequence[int]) -> None:
        if len(input_shape) != 1:
            raise ValueError("an ensemble is for tables, and these are pictures: use mlp or conv")

    def check_code(self, input_shape: Sequence[int], latent_dim: int, is_plain: bool) -> None:
        if not is_plain:
            raise ValueError(
                "an ensemble needs the deterministic bottleneck and no penalties: use these, or "
                "another network"
            )
        if latent_dim % self.members:
            raise ValueError(
                f"{self.members} members share the code evenly: latent_dim must be a multiple of "
                f"{self.members}, got {latent_dim}"
            )

    def count_weights(self, input_shape: Sequence[int], outputs: int) -> int:
        widths = [math.prod(input_shape), *self.hidden, max(1, outputs // self.members)]
        return 2 * self.members * sum(a * b for a, b in pairwise(widths))

    def list_hidden_shapes(self, input_shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple((self.members, width) for width in self.hidden)

    def draw_samples(self, count: int, seed: int) -> Tensor:
        """Return the training rows of each member, (members, most rows), by their places.

        At most half of all `count`, so that each row is new to some. A member of fewer rows than
        others has them several times.
        """
        generator = torch.Generator().manual_seed(seed)
        most = min(max(self.rows), max(1, count // 2))
        samples = []
        for member in range(self.members):
            size = min(self.rows[member % len(self.rows)], most)
            drawn = torch.randperm(count, generator=generator)[:size]
            samples.append(drawn.repeat(math.ceil(most / size))[:most])
        return torch.stack(samples)


class EnsembleEncoder(Encoder):
    """x (N, features) -> the units of all members side by side; in training of one for each row."""

    seen: Tensor  # (members, most rows) int64, ascending: hashes of the rows of each
    sees: Tensor  # (members, features): 1 where a member sees a feature, else 0

    def __init__(self, options: Ensemble, widths: Sequence[int]):
        super().__init__()
        self.stack = MemberStack(
            options.members, options.activation, widths, options.code_activation
        )
        seen = torch.zeros(options.members, max(options.rows), dtype=torch.int64)
        self.register_buffer("seen", seen)
        sees = torch.ones(options.members, widths[0], device="cpu")
        self.register_buffer("sees", sees, persistent=False)

    def forward(self, x: Tensor) -> Features:
        if self.training:
            out = self.stack(self.stack.deal(x.flatten(1)), self.sees)
            owners = torch.arange(len(x), device=x.device) % self.stack.members
            return Features(self.stack.collect(out, len(x)), (), self.sees[owners] > 0)
        out = self.stack(x.flatten(1).expand(self.stack.members, -1, -1), self.sees)
        return Features(out.transpose(0, 1).flatten(1), ())

    @torch.no_grad()
    def see(self, sees: Tensor) -> None:
        """Let each member see some features, (members, features) ones and zeros."""
        self.sees = sees
        first = self.stack.list_member_layers()[0]
        if not first.weight.is_meta:  # as large as with all inputs
            first.weight.mul_((sees.shape[1] / sees.sum(1)).sqrt()[:, None, None])

    @torch.no_grad()
    def scale_code(self, factor: float) -> None:
        self.stack.list_member_layers()[-1].weight.mul_(factor)

    @torch.no_grad()
    def remember_rows(self, member: int, x: Tensor) -> None:
        """Keep the hashes of a member's rows x (K, features), in the data's units."""
        hashes = hash_rows(x)
        places = torch.arange(self.seen.shape[1], device=x.device) % len(x)
        self.seen[member] = hashes[places].sort().values

    def list_dense_layers(self) -> list[tuple[Tensor, Tensor]]:
        """Return weight (out, in) and bias of layers that do the same for all members at once."""
        first, *rest = self.stack.list_member_layers()
        weight = (first.weight * self.sees[:, None]).flatten(0, 1)
        return [(weight, first.bias.flatten()), *map(join_members, rest)]

    def find_seen(self, x: Tensor) -> Tensor:
        """Return which members saw which rows x (N, features), in data units: (members, N) bool."""
        return find_known_rows(self.seen, x)


class EnsembleDecoder(Decoder):
    """z (N, latent_dim) -> the mean of the members' logits; in training (N, units) of one each.

    The mean of a feature is over those that see it.
    """

    weights: Tensor  # (members, logits), of the members in the mean

    def __init__(self, options: Ensemble, widths: Sequence[int]):
        super().__init__()
        self.stack = MemberStack(options.members, options.activation, widths, "linear")
        weights = torch.ones(options.members, widths[-1], device="cpu") / options.members
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        if self.training:
            return self.stack.collect(self.stack(self.stack.deal(z)), len(z))
        return torch.einsum("mnl,ml->nl", self.decode_members(z), self.weights)

    def answer(self, sees: Tensor) -> None:
        """Leave the mean of each feature to the members that see it, (members, features)."""
        self.weights[:, : sees.shape[1]] = sees / sees.sum(0)

    def decode_members(self, z: Tensor) -> Tensor:
        """z (N, latent_dim) -> the logits of each member, (members, N, ...)."""
        return self.stack(z.unflatten(1, (self.stack.members, -1)).transpose(0, 1))

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the last layer, (members, outputs)."""
        return self.stack.list_member_layers()[-1].bias

    def list_dense_layers(self) -> list[tuple[Tensor, Tensor]]:
        """Return weight (out, in) and bias of layers that give the mean of the members' logits."""
        *layers, last = self.stack.list_member_layers()
        mean = (last.weight * self.weights[..., None]).transpose(0, 1).flatten(1)
        return [*map(join_members, layers), (mean, (last.bias * self.weights).sum(0))]
