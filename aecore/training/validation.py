"""The loss on the examples held out, by which the best weights are chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.analysis.chunks import count_rows_at_once
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.base import Bottleneck
from aecore.model.parts.likelihoods.base import Likelihood
from aecore.training.update import Objective


@torch.no_grad()
def measure_validation_loss(objective: Objective, examples: Tensor, seed: int) -> float | None:
    """Returns the mean loss of examples (N, *input_shape), with the KL at full weight.

    None without any. The model stays in training mode: a denoising one is to be chosen by how well
    it denoises.
    """
    if not len(examples):
        return None
    torch.manual_seed(seed)
    freeze_statistics(objective.model)
    total = 0.0
    for part in examples.split(count_rows_at_once(objective.model)):
        total += objective(as_float(part), 1.0).total.item() * len(part)
    return total / len(examples)


def freeze_statistics(model: Autoencoder) -> None:
    """Switches what follows its batches to evaluation; the rest stays in training mode.

    That is batch normalisation, the thresholds and counts of bottlenecks, and calibrated noise.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | Bottleneck | Likelihood):
            module.eval()
