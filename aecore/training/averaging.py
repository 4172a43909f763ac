"""The mean of the weights of the last epochs: steps of a constant rate circle around it.

Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig


class WeightAverage:
    """The mean of a model's weights at the ends of the epochs that the config asks for."""

    def __init__(self, model: Autoencoder, config: TrainConfig):
        self.first = config.epochs - max(1, round(config.averaged * config.epochs)) + 1  # from 1
        learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = learned if config.averaged else {}
        self.means = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def add(self, epoch: int) -> None:
        """Take in the weights as they are at the end of an epoch, counted from 1."""
        if epoch >= self.first:
            for name, weight in self.weights.items():
                self.means[name].lerp_(weight, 1 / (epoch - self.first + 1))

    @torch.no_grad()
    def apply(self, epoch: int) -> bool:
        """Set the model's weights to their mean; False where there is none after that epoch."""
        if not self.means or epoch < self.first:
            return False
        for name, weight in self.weights.items():
            weight.copy_(self.means[name])
        return True

    def list_tensors(self) -> dict[str, Tensor]:
        """Return the means, to save or to copy into, under flat names."""
        return {f"average.{name}": mean for name, mean in self.means.items()}
