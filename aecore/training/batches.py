"""The batches of an epoch: which examples come in which order, by seed and epoch alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from aecore.data.on_disk import explain_read_errors
from aecore.data.splits import as_float
from aecore.data.stored import StoredArray
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.model.parts.networks.ensemble import EnsembleEncoder
from aecore.training.preparation import TrainingData
from aecore.training.ranks import Ranks


class Batches:
    """All training examples `passes` times an epoch, in an order that is new each time."""

    def __init__(self, x: Tensor | StoredArray, training: TrainConfig, ranks: Ranks):
        self.x, self.training, self.ranks = x, training, ranks
        self.count = len(x) * training.passes  # examples in an epoch
        self.steps = math.ceil(len(x) / training.batch_size) * training.passes

    def iterate_epoch(self, epoch: int) -> Iterator[Tensor]:
        """Yields the batches of an epoch, counted from 0: (batch_size, *input_shape), as float."""
        seed = self.training.seed * 1_000_003 + epoch + 1
        torch.manual_seed(seed)
        for number in range(self.training.passes):
            pass_seed = seed + number * 7_919_000_003
            if number and self.ranks.world > 1:  # each rank's noise has moved its generator on
                torch.manual_seed(pass_seed)
            yield from self.iterate_pass(pass_seed)

    def iterate_pass(self, seed: int) -> Iterator[Tensor]:
        """Yields all examples once; a set on the disk takes its order from the seed."""
        if isinstance(self.x, StoredArray):
            self.seed_rank_noise(seed)
            with explain_read_errors(self.x.path.name):
                for batch in self.x.batches(self.training.batch_size, seed):
                    yield as_float(batch.to(self.ranks.device))
            return
        order = torch.randperm(len(self.x))
        self.seed_rank_noise(seed)
        for rows in order.to(self.x.device).split(self.training.batch_size):
            yield as_float(self.x.index_select(0, rows))

    def seed_rank_noise(self, seed: int) -> None:
        """Gives each rank noise of its own; the order of the examples is the same for all."""
        if self.ranks.rank:
            torch.manual_seed(seed + self.ranks.rank * 7_777_777_777)


class MemberBatches(Batches):
    """Batches of an ensemble: `batch_size` examples of each member's own, in turns."""

    def __init__(self, x: Tensor, samples: Tensor, training: TrainConfig, ranks: Ranks):
        super().__init__(x, training, ranks)
        self.samples = samples  # (members, K): places in x
        self.count = samples.numel() * training.passes
        self.steps = math.ceil(samples.shape[1] / training.batch_size) * training.passes

    def iterate_pass(self, seed: int) -> Iterator[Tensor]:
        """Yields each member's examples once; example i of a batch is member i mod M's."""
        assert isinstance(self.x, Tensor)
        order = torch.rand(self.samples.shape).argsort(1)
        rows = self.samples.gather(1, order).t().to(self.x.device)
        for part in rows.split(self.training.batch_size):
            yield as_float(self.x.index_select(0, part.flatten()))


def arrange_batches(
    model: Autoencoder, data: TrainingData, training: TrainConfig, ranks: Ranks
) -> Batches:
    """Returns the batches that suit the model; an ensemble remembers which rows each member gets.

    RunError where an ensemble is to train in several processes.
    """
    samples = model.config.network.draw_samples(len(data.sample), training.seed)
    if samples is None:
        return Batches(data.train, training, ranks)
    if ranks.world > 1:
        raise RunError("An ensemble of small networks trains in one process: start it in one.")
    assert isinstance(model.encoder, EnsembleEncoder)
    x = data.sample
    for member, rows in enumerate(samples):
        model.encoder.remember_rows(member, as_float(x[rows.to(x.device)]))
    return MemberBatches(x, samples, training, ranks)
