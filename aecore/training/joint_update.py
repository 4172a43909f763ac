"""One update of several models of one shape, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aecore.model.joint import JointAutoencoder
from aecore.model.parts.joint_layers import RandomStream
from aecore.training.optimizer import step_alike
from aecore.training.update import Objective, Step, Update


class JointUpdate:
    """A callable that does what each of `updates` would do alone; roundings may differ.

    Each model has its own weights, optimiser, sums of losses and stream of random numbers.
    """

    def __init__(self, updates: Sequence[Update], streams: Sequence[RandomStream]):
        self.updates, self.streams = tuple(updates), tuple(streams)
        objective = updates[0].objective
        self.binarises, config = objective.binarises, objective.config
        models = [update.objective.model for update in updates]
        self.model = JointAutoencoder(models, streams, config.batch_size)
        self.objective = Objective(self.model, config, binarises=False)

    def __call__(self, steps: Sequence[Step]) -> None:
        """Makes one update by the batches of all models, which are of one size."""
        loss = self.objective(torch.cat(self.prepare_batches(steps)), steps[0].kl_weight)
        for update in self.updates:
            update.optimizer.zero_grad()
        loss.total.sum().backward()  # a weight has a gradient from its own model's loss alone
        self.model.pass_gradients()
        self.step_optimizers([step.lr for step in steps])
        sums = torch.stack(loss).detach() * len(steps[0].batch)
        for update, own in zip(self.updates, sums.unbind(1), strict=True):
            update.sums += own

    def prepare_batches(self, steps: Sequence[Step]) -> list[torch.Tensor]:
        """Returns the batch of each model, its pixels drawn where they are probabilities."""
        batches = [step.batch for step in steps]
        if not self.binarises:
            return batches
        drawn = []
        for stream, batch in zip(self.streams, batches, strict=True):
            with stream:
                drawn.append(torch.bernoulli(batch))
        return drawn

    def step_optimizers(self, rates: Sequence[float]) -> None:
        """Makes the steps of the optimisers, those of one learning rate together."""
        for rate in dict.fromkeys(rates):
            pairs = zip(self.updates, rates, strict=True)
            step_alike([update.optimizer for update, own in pairs if own == rate], rate)
