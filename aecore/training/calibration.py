"""The calibration of intervals when a training is over, on cells that it did not see."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from aecore.analysis.intervals import (
    SHORT_ROWS,
    hold_out_cells,
    score_held_cells,
    stretch_intervals,
)
from aecore.data.stored import StoredArray
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, RunConfig, TrainConfig
from aecore.training.averaging import WeightAverage
from aecore.training.batches import arrange_batches
from aecore.training.pca_start import start_as_pca
from aecore.training.preparation import TrainingData, build_initial_model
from aecore.training.ranks import LoneRank
from aecore.training.run_writer import RunWriter
from aecore.training.schedule import scheduled_kl_weight, scheduled_learning_rate
from aecore.training.update import build_update

COPIES = 2  # of the model of a short table
COPY_SEED = 1  # is added to that of the run


class HeldOutCells:
    """The cells of a run's examples that are left to the calibration: none where it asks for none.

    Of a long table they are rows that the training does not see. A short one can spare none: its
    model sees all, and copies of it are trained without some cells each, which they then fill
    (Barber et al., 2021, Predictive Inference with the Jackknife+: CV+). All are chosen by the
    data's own seed, so that a resumed run has the same ones. A set on the disk has none.
    """

    def __init__(self, config: RunConfig, data: TrainingData):
        self.seed = config.data.split_seed if config.data else 0
        self.data = data
        self.x = data.sample[:0] if isinstance(data.train, StoredArray) else data.train
        self.is_short = len(self.x) <= SHORT_ROWS
        is_asked_for = config.model.calibration > 0 and len(self.x) > 0
        count = (COPIES if self.is_short else 1) if is_asked_for else 0
        self.parts = [hold_out_cells(config.model, self.x, self.seed + i) for i in range(count)]

    def hide(self, data: TrainingData) -> TrainingData:
        """Return the examples of a training, without the rows that are held out."""
        return data if self.is_short or not self.parts else hide_part(data, self.x, self.parts[0])

    def calibrate(
        self, model: Autoencoder, training: TrainConfig, writer: RunWriter, stop: Callable[[], bool]
    ) -> None:
        """Calibrate the intervals of a trained model, and write it again.

        Nothing changes where `stop()` turns true: the model keeps intervals of its own.
        """
        scores = []
        for number, held in enumerate(self.parts):

            def report(share: float, first: int = number) -> None:
                writer.report_download("Calibrating intervals", (first + share) / len(self.parts))

            judged: Autoencoder | None = model
            if self.is_short:
                part = hide_part(self.data, self.x, held)
                judged = train_copy(model.config, training, part, stop, report)
            if judged is None:
                writer.write_state(note="")
                return
            scores.append(score_held_cells(judged, self.x, held, self.seed))
        if scores:
            stretch_intervals(model, torch.cat(scores))
            writer.write_state(note="")
            writer.save_weights(model)


def hide_part(data: TrainingData, x: Tensor, held: Tensor) -> TrainingData:
    """Return training examples x (N, d) with some cells missing, and without rows of none."""
    rest = x.masked_fill(held, torch.nan)[~held.all(1)]
    return data._replace(train=rest, sample=rest)


def train_copy(
    config: ModelConfig,
    training: TrainConfig,
    data: TrainingData,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[float], None] = lambda share: None,
) -> Autoencoder | None:
    """Train a model of the same config on other examples, in this process; None where stopped."""
    training = training.model_copy(update={"seed": training.seed + COPY_SEED})
    device = data.sample.device
    model = build_initial_model(config, data.sample, device, training.seed)
    if config.network.has_linear_path:
        start_as_pca(model, data.sample)
    ranks = LoneRank(device)
    batches = arrange_batches(model, data, training, ranks)
    update = build_update(model, training, False, ranks)
    average = WeightAverage(model, training)
    for epoch in range(training.epochs):
        if stop():
            return None
        report(epoch / training.epochs)
        model.train()
        model.bottleneck.anneal(epoch / training.epochs)
        for step, x in enumerate(batches.iterate_epoch(epoch), epoch * batches.steps):
            lr = scheduled_learning_rate(training, step, batches.steps)
            update(x, lr, scheduled_kl_weight(training, epoch))
        average.add(epoch + 1)
    average.apply(training.epochs)
    model.bottleneck.anneal(1.0)
    return model.eval()
