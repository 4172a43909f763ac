"""The processes that train one run together: one alone, or several that torchrun or Ray Train started.

Every rank holds the whole model and takes its share of each batch; DDP averages the gradients. Rank 0
alone writes to the run folder.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn

VOTE_EVERY = 16  # steps between two looks at whether any rank was told to stop: 0.2 ms each


class Ranks:
    """This process among its kind. Alone, everything here does nothing and costs nothing."""

    def __init__(self) -> None:
        self.world, self.rank, self.local = (
            int(os.environ.get(name, default))
            for name, default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
        )
        self.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def join(self, device: torch.device) -> None:
        """Meet the other ranks; Ray Train has made them meet before."""
        self.device = device
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group(dist.get_default_backend_for_device(device))

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over the ranks, beginning with the weights of rank 0."""
        if self.world == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(
            module, [self.device] if self.device.type == "cuda" else None
        )

    def align(self, module: nn.Module) -> None:
        """Take the weights of rank 0."""
        if self.world > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def share(self, batch: Tensor) -> tuple[Tensor, float]:
        """This rank's part of a batch (B, ...), and by what its mean counts in the mean of the ranks' means.

        Where there are fewer examples than ranks, the rank works on a borrowed one that counts nothing.
        """
        if self.world == 1:
            return batch, 1.0
        mine = batch[self.rank :: self.world]
        return (mine, len(mine) * self.world / len(batch)) if len(mine) else (batch[:1], 0.0)

    def sum(self, values: Tensor) -> Tensor:
        """Over all ranks."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def any(self, mine: bool) -> bool:
        """Whether it is true for any rank: all must leave a loop at the same step."""
        if self.world == 1:
            return mine
        return bool(self.sum(torch.tensor(float(mine), device=self.device)).item())

    def leaders(self, value: float) -> float:
        """The value that rank 0 has: decisions must not differ by a rounding."""
        if self.world == 1:
            return value
        told = torch.tensor(value if self.leads else 0.0, dtype=torch.float64, device=self.device)
        dist.broadcast(told, 0)
        return told.item()

    def lost_one(self, error: Exception) -> bool:
        """Whether an error means that another rank died. Then torchrun starts all of them again."""
        return self.world > 1 and (isinstance(error, dist.DistError) or "onnection" in str(error))

    def leave(self) -> None:
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def is_one_of_several() -> bool:
    """Whether torchrun started this process, as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def end_with_parent() -> None:
    """Let Linux send this process SIGTERM when its parent dies: a torchrun that is killed outright stops nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
