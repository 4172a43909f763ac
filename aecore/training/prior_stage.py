"""The second stage of a run whose model has a prior of indices: it is learned when the rest is.

The model stays as its best weights have it; the indices of its codes are computed once, and the
prior's transformer learns them. An epoch of this stage is saved like one of the first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.analysis.chunks import index_in_chunks, measure_index_loss
from aecore.errors import RunError
from aecore.files import WEIGHTS_FILE
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.model.parts.index_prior import IndexPrior, TransformerPrior
from aecore.model.weights import read_tensors
from aecore.runs.records import PriorRecord
from aecore.training.optimizer import Optimizer
from aecore.training.run_writer import RunWriter
from aecore.training.schedule import scheduled_learning_rate

WEIGHT_DECAY = 0.01
WARM_UP_STEPS = 20


class PriorStage:
    """The prior of a model in training, and how far it is: nothing to do where there is none."""

    def __init__(self, model: Autoencoder, seed: int, writer: RunWriter):
        self.model, self.seed, self.writer = model, seed, writer
        self.epoch, self.best = 0, math.inf  # of this stage; the watched loss of its best epoch
        options = model.config.prior or IndexPrior()
        self.epochs = options.epochs if model.prior else 0
        self.training = TrainConfig(
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer="adamw",
            lr=options.lr,
            weight_decay=WEIGHT_DECAY,
            schedule="cosine",
            warmup_steps=WARM_UP_STEPS,
        )
        self.optimizer = Optimizer(model.prior.parameters() if model.prior else (), self.training)

    def is_over(self) -> bool:
        return self.epoch >= self.epochs

    def records(
        self, x: Tensor, validation: Tensor, stop: Callable[[], bool], save: Callable[[], None]
    ) -> Iterator[PriorRecord]:
        """Learns the indices of examples x (N, *input_shape) from wherever the stage stands.

        Yields one record an epoch; `save` is to write the position. Ends early when `stop()` turns
        true.
        """
        prior = self.model.prior
        if prior is None or self.is_over():
            return
        self.return_to_best_model(prior)
        data = IndexData(index_in_chunks(self.model, x), index_in_chunks(self.model, validation))
        prior.requires_grad_(True)
        while not self.is_over():
            started = time.perf_counter()
            loss = self.run_epoch(prior, data.train, stop)
            if loss is None:
                break
            record = self.finish_epoch(prior, data, loss, time.perf_counter() - started)
            save()
            yield record
        self.writer.write_state(note="")

    def return_to_best_model(self, prior: TransformerPrior) -> None:
        """Gives the model its best weights; its prior stays as it is."""
        latest = {name: tensor.clone() for name, tensor in prior.state_dict().items()}
        path = self.writer.run.path / WEIGHTS_FILE
        self.model.load_state_dict(read_tensors(path, self.model.state_dict()))
        prior.load_state_dict(latest)
        self.model.eval()

    def run_epoch(
        self, prior: TransformerPrior, indices: Tensor, stop: Callable[[], bool]
    ) -> float | None:
        """Passes once over indices (N, count); returns their mean loss, or None when stopped."""
        torch.manual_seed(self.seed * 1_000_003 + 500_000_001 + self.epoch)
        prior.train()
        batches = torch.randperm(len(indices)).split(self.training.batch_size)
        total, device = 0.0, self.model.shift.device
        for step, rows in enumerate(batches):
            if stop():
                return None
            loss = prior.loss(indices[rows].to(device)).mean()
            self.optimizer.zero_grad()
            loss.backward()
            steps = self.epoch * len(batches) + step
            self.optimizer.step(scheduled_learning_rate(self.training, steps, len(batches)))
            total += loss.item() * len(rows)
            self.report((step + 1) / len(batches))
        prior.eval()
        return total / len(indices)

    def report(self, share: float) -> None:
        """Shows watchers how far the stage is."""
        if self.writer.is_time_to_report():
            epoch = f"epoch {self.epoch + 1} of {self.epochs}"
            self.writer.write_state(note=f"Learning the prior of the indices, {epoch}, {share:.0%}")

    def finish_epoch(
        self, prior: TransformerPrior, data: IndexData, loss: float, seconds: float
    ) -> PriorRecord:
        """Measures the epoch, and keeps the prior where it is the best so far."""
        held_out = measure_index_loss(prior, data.validation, self.model.shift.device)
        watched = loss if held_out is None else held_out
        if not math.isfinite(watched):
            raise RunError(
                f"The prior's loss is {watched} after epoch {self.epoch + 1}. "
                "Start a run with a tenth of prior.lr."
            )
        record = PriorRecord(
            epoch=self.epoch + 1, loss=loss, validation_loss=held_out, seconds=round(seconds, 4)
        )
        self.writer.append(record)
        self.epoch += 1
        prior.epochs_trained.fill_(self.epoch)
        if watched < self.best:
            self.best = watched
            self.writer.save_weights(self.model)
        return record


@dataclass(frozen=True)
class IndexData:
    """The indices (N, count) of training and validation examples, of which there may be none."""

    train: Tensor
    validation: Tensor
