"""Cells that are kept from a training, by which its intervals are calibrated when it is over."""

from __future__ import annotations

import torch

from aecore.analysis.intervals import calibrate_intervals, hold_out_cells
from aecore.data.stored import StoredArray
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.training.preparation import TrainingData
from aecore.training.run_writer import RunWriter


class HeldOutCells:
    """The cells of a run's examples that are left to the calibration: none where it asks for none.

    They are chosen by the data's own seed, so that a resumed run has the same ones. A set on the
    disk has none.
    """

    def __init__(self, config: RunConfig, data: TrainingData):
        self.seed = config.data.split_seed if config.data else 0
        self.x = data.sample[:0] if isinstance(data.train, StoredArray) else data.train
        is_asked_for = config.model.calibration > 0 and len(self.x) > 0
        self.held = hold_out_cells(config.model, self.x, self.seed) if is_asked_for else None

    def hide(self, data: TrainingData) -> TrainingData:
        """Return the examples without rows that are held out, and with these cells missing."""
        if self.held is None:
            return data
        x = self.x.masked_fill(self.held, torch.nan)[~self.held.all(1)]
        return data._replace(train=x, sample=x)

    def calibrate(self, model: Autoencoder, writer: RunWriter) -> None:
        """Calibrate the intervals of a trained model, and write it again."""
        if self.held is not None:
            calibrate_intervals(model, self.x, self.held, self.seed)
            writer.save_weights(model)
