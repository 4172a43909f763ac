"""One update of the weights: loss, gradients, optimiser; on a GPU recorded once, then replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, TrainConfig
from aecore.model.loss import Loss
from aecore.training.devices import is_half_precise
from aecore.training.optimizer import Optimizer
from aecore.training.ranks import Ranks

# updates of a shape before it is recorded: libraries choose their kernels in the first ones
GRAPH_WARM_UP = 3


def build_update(model: Autoencoder, config: TrainConfig, binarises: bool, ranks: Ranks) -> Update:
    """Returns the fastest update for the device: a recorded one where one GPU trains alone."""
    objective = Objective(model, config, binarises)
    optimizer = Optimizer((p for p in model.parameters() if p.requires_grad), config)
    is_recordable = ranks.device.type == "cuda" and ranks.world == 1
    return (GraphedUpdate if is_recordable else Update)(objective, optimizer, ranks)


class Step(NamedTuple):
    """The arguments of one optimiser step."""

    batch: Tensor  # (B, *input_shape) of all ranks, as float, on the device
    lr: float
    kl_weight: float


class Objective(nn.Module):
    """The training loss as a forward pass, which DDP can wrap."""

    def __init__(self, model: Autoencoder, config: TrainConfig, binarises: bool):
        super().__init__()
        self.model, self.config, self.binarises = model, config, binarises

    def forward(self, x: Tensor, kl_weight: float | Tensor) -> Loss:
        """Returns the loss of x (N, *input_shape), in the data's units.

        Layers multiply in half precision where the run asks for it.
        """
        is_half = is_half_precise(self.config.precision, x.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=is_half):
            return self.model.loss(torch.bernoulli(x) if self.binarises else x, kl_weight)


class Update:
    """A callable that makes one update, and adds the losses of the examples to `sums`."""

    def __init__(self, objective: Objective, optimizer: Optimizer, ranks: Ranks):
        self.objective, self.optimizer, self.ranks = objective, optimizer, ranks
        self.averaged = ranks.wrap(objective)
        # read once an epoch: each look waits for the GPU
        self.sums = torch.zeros(len(Loss._fields), device=ranks.device)

    def __call__(self, batch: Tensor, lr: float, kl_weight: float) -> None:
        """Makes one update by a batch (B, *input_shape) of all ranks, as float, on the device."""
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
    """One shape of batch: the tensor it is copied to, and its recorded update once there is one."""

    batch: Tensor
    updates: int = 0
    replay: Callable[[], None] | None = None


class GraphedUpdate(Update):
    """The same update as a CUDA graph for each shape of batch: hundreds of kernels in one launch.

    What changes from step to step lies in tensors at fixed addresses: the batch, the rate and the
    KL weight. A model with an operation that cannot be recorded is updated without a recording.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer, ranks: Ranks):
        super().__init__(objective, optimizer, ranks)
        self.lr, self.kl_weight = (torch.zeros((), device=ranks.device) for _ in range(2))
        self.recordings: dict[torch.Size, Recording] = {}
        self.settings: tuple[ModelConfig, float | None] | None = None

    def __call__(self, batch: Tensor, lr: float, kl_weight: float) -> None:
        recording = self.recording_for(batch)
        recording.batch.copy_(batch)
        self.lr.fill_(lr)
        self.kl_weight.fill_(kl_weight)
        if recording.replay is None and recording.updates == GRAPH_WARM_UP:
            recording.replay = self.record(
                lambda: self.step(recording.batch, self.lr, self.kl_weight)
            )
        if recording.replay:
            recording.replay()
        else:
            self.warm_up(recording.batch)
            recording.updates += 1

    def recording_for(self, batch: Tensor) -> Recording:
        """Returns the recording of the batch's shape; moved knobs and annealed values void all."""
        model = self.objective.model
        config, annealed = model.config, model.bottleneck.annealed_value
        if self.settings is None or self.settings[0] is not config or self.settings[1] != annealed:
            self.recordings, self.settings = {}, (config, annealed)
        if batch.shape not in self.recordings:
            self.recordings[batch.shape] = Recording(torch.empty_like(batch))
        return self.recordings[batch.shape]

    def warm_up(self, x: Tensor) -> None:
        """Makes an unrecorded update, on a stream beside the one that recording will use."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.step(x, self.lr, self.kl_weight)
        torch.cuda.current_stream().wait_stream(stream)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Returns what does the same as `step` in one launch; `step` itself where that fails."""
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # gradients are to lie in the graph's own memory
        try:
            with torch.cuda.graph(graph):
                step()
        except RuntimeError:  # an operation waits for the GPU
            torch.cuda.synchronize()
            return step
        return graph.replay
