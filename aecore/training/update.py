"""One update of the weights: loss, gradients, optimiser. On a GPU recorded once and replayed as one launch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aecore.model.autoencoder import Autoencoder, Loss
from aecore.model.config import TrainConfig
from aecore.training.optimizer import Optimizer
from aecore.training.ranks import Ranks

GRAPH_WARM_UP = (
    3  # updates of a shape before it is recorded: libraries choose their kernels in the first ones
)


class Objective(nn.Module):
    """The training loss as a forward pass: what DDP can wrap."""

    def __init__(self, model: Autoencoder, config: TrainConfig, binarises: bool):
        super().__init__()
        self.model, self.config, self.binarises = model, config, binarises

    def forward(self, x: Tensor, kl_weight: float | Tensor) -> Loss:
        """x (N, *input_shape), in the data's units. Layers multiply in half precision where the run asks for it."""
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"
        ):
            return self.model.loss(torch.bernoulli(x) if self.binarises else x, kl_weight)


class Update:
    """Calling it makes one update, and adds the losses of the examples to `sums`."""

    def __init__(self, objective: Objective, optimizer: Optimizer, ranks: Ranks):
        self.objective, self.optimizer, self.ranks = objective, optimizer, ranks
        self.averaged = ranks.wrap(objective)
        self.sums = torch.zeros(
            len(Loss._fields), device=ranks.device
        )  # read once an epoch: each look waits

    def __call__(self, batch: Tensor, lr: float, kl_weight: float) -> None:
        """batch (B, *input_shape): all ranks' examples of this step, as float, on the device."""
        x, share = self.ranks.share(batch)
        self.step(x, lr, kl_weight, share)

    def step(
        self, x: Tensor, lr: float | Tensor, kl_weight: float | Tensor, share: float = 1.0
    ) -> None:
        loss = self.averaged(x, kl_weight)
        self.optimizer.zero_grad()
        (loss.total if share == 1.0 else loss.total * share).backward()
        self.optimizer.step(lr)
        self.sums += torch.stack(loss).detach() * (len(x) if share else 0)


@dataclass
class Recording:
    """What is known of one shape of batch: where it is put, how often it was, and from then on how to replay it."""

    batch: Tensor
    updates: int = 0
    replay: Callable[[], None] | None = None


class GraphedUpdate(Update):
    """The same as a CUDA graph for each shape of batch: some hundred kernels are launched as one.

    What changes from step to step lies in tensors at fixed places: the batch, the rate and the KL weight.
    A model with an operation that cannot be recorded is updated without.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer, ranks: Ranks):
        super().__init__(objective, optimizer, ranks)
        self.lr, self.kl_weight = (torch.zeros((), device=ranks.device) for _ in range(2))
        self.recordings: dict[torch.Size, Recording] = {}
        self.k: int | None = None

    def __call__(self, batch: Tensor, lr: float, kl_weight: float) -> None:
        if (
            k := self.objective.model.bottleneck.annealed_value
        ) != self.k:  # a falling k is part of what was recorded
            self.recordings, self.k = {}, k
        if batch.shape not in self.recordings:
            self.recordings[batch.shape] = Recording(torch.empty_like(batch))
        made = self.recordings[batch.shape]
        made.batch.copy_(batch)
        self.lr.fill_(lr)
        self.kl_weight.fill_(kl_weight)
        if made.replay is None and made.updates == GRAPH_WARM_UP:
            made.replay = self.record(lambda: self.step(made.batch, self.lr, self.kl_weight))
        if made.replay:
            made.replay()
        else:
            self.warm_up(made.batch)
            made.updates += 1

    def warm_up(self, x: Tensor) -> None:
        """An update as it is, beside the stream that recording will use."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.step(x, self.lr, self.kl_weight)
        torch.cuda.current_stream().wait_stream(stream)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """What does the same as `step`, in one launch; `step` itself where it cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # gradients are to lie in the graph's own memory
        try:
            with torch.cuda.graph(graph):
                step()
        except RuntimeError:  # something on the way waits for the GPU
            torch.cuda.synchronize()
            return step
        return graph.replay


def build_update(model: Autoencoder, config: TrainConfig, binarises: bool, ranks: Ranks) -> Update:
    """The fastest update that there is for the device."""
    objective, optimizer = (
        Objective(model, config, binarises),
        Optimizer(model.parameters(), config),
    )
    graphed = ranks.device.type == "cuda" and ranks.world == 1
    return (GraphedUpdate if graphed else Update)(objective, optimizer, ranks)
