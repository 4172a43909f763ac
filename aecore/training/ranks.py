"""The processes that train one run together: a single one, or several of torchrun or Ray Train.

Every rank holds the whole model and takes its share of each batch; DDP averages the gradients.
Rank 0 alone writes to the run folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn

VOTE_EVERY = 16  # steps between two questions whether any rank was told to stop: 0.2 ms each


class Ranks:
    """This process among those of its run. With one process, every method is free of cost."""

    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0))
        self.local = int(os.environ.get("LOCAL_RANK", 0))
        self.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def join(self, device: torch.device) -> None:
        """Meets the other ranks, unless Ray Train has made them meet before."""
        self.device = device
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group(dist.get_default_backend_for_device(device))

    def wrap(self, module: nn.Module) -> nn.Module:
        """Returns the module with rank 0's weights and its gradients averaged over the ranks."""
        if self.world == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(
            module, [self.device] if self.device.type == "cuda" else None
        )

    def align(self, module: nn.Module) -> None:
        """Copies the weights of rank 0 to all ranks."""
        if self.world > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def share(self, batch: Tensor) -> tuple[Tensor, float]:
        """Returns this rank's part of a batch (B, ...), and the weight of its mean.

        The mean over the ranks of weight * mean of the part is the mean of the batch. Where there
        are fewer examples than ranks, the rank works on a borrowed one of weight 0.
        """
        if self.world == 1:
            return batch, 1.0
        part = batch[self.rank :: self.world]
        return (part, len(part) * self.world / len(batch)) if len(part) else (batch[:1], 0.0)

    def sum(self, values: Tensor) -> Tensor:
        """Returns the sum of `values` over all ranks; overwrites them."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Returns True where the flag is true for any rank: all must leave a loop at one step."""
        if self.world == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)).item())

    def are_told(self, stop: Callable[[], bool], step: int) -> bool:
        """Returns True where to leave before this step; several ranks vote now and then."""
        if self.world == 1:
            return stop()
        return step % VOTE_EVERY == 0 and self.any(stop())

    def value_of_leader(self, value: float) -> float:
        """Returns the value that rank 0 has: decisions must not differ by a rounding."""
        if self.world == 1:
            return value
        shared = torch.tensor(value if self.leads else 0.0, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def leave(self) -> None:
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


class LoneRank(Ranks):
    """A process that works by itself on a device, though others may train the run with it."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.world, self.rank, self.device = 1, 0, device
