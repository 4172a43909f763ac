"""The base of all bottlenecks: the code, the options and the module."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from aecore.model.parts.base import CodeGrid, Options
from aecore.model.parts.kinds import LAST


class Code(NamedTuple):
    """The input of the decoder, and its cost."""

    z: Tensor  # (samples, N, latent_dim)
    cost: Tensor  # (samples, N): added to the reconstruction; for variational codes a KL in nats
    mean: Tensor  # (N, latent_dim): the code without noise, what `encode` returns
    rate: Tensor | None = None  # (samples, N): what is recorded, where that is not the cost


class IndexShape(NamedTuple):
    """The indices of a discrete code."""

    length: int  # indices of one code
    levels: int  # values that each can take
    stages: int = 1  # that the indices of one place stand for, one after another


class BottleneckBase(Options):
    """Options of a bottleneck, and what the rest of the program asks about one.

    A new kind sets `kind`, its fields and `build`, and overrides answers that differ.
    """

    kind: str

    menu_position: ClassVar[int] = LAST
    is_variational: ClassVar[bool] = False  # a code is a distribution, kept close to N(0, I)
    is_sparse: ClassVar[bool] = False  # units at zero are off, and small changes leave them off
    allows_path: ClassVar[bool] = False  # codes may have a linear path beside the encoder
    path_needs_grid: ClassVar[bool] = False  # but only those that lie on a grid
    begins_whitened: ClassVar[bool] = True  # such codes begin with variances of 1
    units_of_place: ClassVar[int | None] = None  # of a grid, where the network's own do not suit
    values_per_unit: ClassVar[int] = 1  # values that the encoder gives for each unit of the code

    def build(self, latent_dim: int, grid: CodeGrid | None = None) -> Bottleneck:
        """Return the module for codes of so many units, which may lie on a grid."""
        raise NotImplementedError

    @property
    def sample_count(self) -> int:
        """Return the number of codes drawn for each example in training."""
        return 1

    @property
    def auxiliary_weight(self) -> float:
        """Return the weight of the loss by which dead units learn; 0 without one."""
        return 0.0

    def count_weights(self, latent_dim: int, grid: CodeGrid | None = None) -> int:
        """Return how many learned values the module for such codes has."""
        return 0

    def check_latent_dim(self, latent_dim: int) -> None:
        """Raise ValueError if codes cannot have so many units."""

    def fit_latent_dim(self, latent_dim: int, grid: CodeGrid | None = None) -> Self:
        """Return these options, adapted to codes of so many units where a default would not fit.

        The codes may lie on a grid.
        """
        return self

    def index_shape(self, latent_dim: int) -> IndexShape:
        """Return how many indices a code has: none where its values are not countable."""
        return IndexShape(0, 0)

    @property
    def starts_from_codes(self) -> bool:
        """True where the module begins at what the encoder gives for training examples."""
        return False

    def cost_weight(self, kl_weight: float | Tensor) -> float | Tensor:
        """Return the factor of the code's cost in the loss; `kl_weight` fades a KL in."""
        return 1.0

    def combine_losses(self, losses: Tensor) -> Tensor:
        """Reduce the losses (samples, N) of the codes drawn to one per example, (N,)."""
        return losses.mean(0)


class Bottleneck(nn.Module):
    """The deterministic bottleneck, and the base of the others: they override what differs.

    `levels` is how many values a part of the code can take, None where they are not countable.
    Bottlenecks with `levels` also have `indices`, from codes to the values that their parts take,
    and `values`, the way back.
    """

    levels: int | None = None
    head_scale = 1.0  # factor on the initial weights of the layer that gives the code

    def __init__(self, latent_dim: int, values_per_unit: int = 1):
        super().__init__()
        self.latent_dim = latent_dim
        self.inputs = values_per_unit * latent_dim  # how many values the encoder has to give

    def forward(self, h: Tensor, samples: int) -> Code:
        """h (N, inputs) -> Code; only variational bottlenecks draw more than one sample."""
        z = self.snap(h)
        return Code(z[None], z.new_zeros(1, len(z)), z)

    def snap(self, z: Tensor) -> Tensor:
        """Return the valid code nearest to z, (N, latent_dim) both."""
        return z

    def snap_steps(self) -> list[dict[str, Any]]:
        """Return `snap` as steps for the explorer in the browser: [{"op": name, argument: value}].

        Tensors among the arguments are sent along. Each `op` is a function in web/steps.js;
        aecore/explorer/portable.py lists them. No step where `snap` changes nothing.
        """
        if type(self).snap is not Bottleneck.snap:
            raise NotImplementedError(f"{type(self).__name__} has a `snap` but no `snap_steps`")
        return []

    def select_dead_code(self, h: Tensor) -> Tensor | None:
        """Return the code (N, latent_dim) of dead units alone, zero elsewhere.

        None where none is to learn: outside training, or without an auxiliary loss.
        """
        return None

    def indices(self, z: Tensor) -> Tensor:
        """Return the index of the value of each part of z (N, latent_dim): (N, parts) int64."""
        raise NotImplementedError(f"the values of {type(self).__name__} are not countable")

    def values(self, indices: Tensor) -> Tensor:
        """Return the code (N, latent_dim) with these indices (N, parts)."""
        raise NotImplementedError(f"the values of {type(self).__name__} are not countable")

    def start(self, h: Tensor, generator: torch.Generator) -> None:
        """Begin at the encoder's outputs h (N, inputs), where `starts_from_codes`."""

    def draw(self, mean: Tensor, log_variance: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """Draw codes z (samples, N, latent_dim) from q(z|x), given its parameters (N, latent_dim).

        Returns z and ln q(z|x) - ln p(z), (samples, N). Variational bottlenecks alone have it.
        """
        raise NotImplementedError(f"{type(self).__name__} is not variational")

    def retune(self, options: BottleneckBase) -> None:
        """Take over the knobs of `options`; a module that keeps a knob's value overrides this."""

    def anneal(self, progress: float) -> bool:
        """Adapt to this share of the training; True while the loss is not yet the final one."""
        return False

    @property
    def annealed_value(self) -> float | None:
        """The value that `anneal` changes, None if there is none.

        A recorded CUDA graph is valid only as long as it stays the same.
        """
        return None
