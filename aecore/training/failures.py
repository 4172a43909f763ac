"""Failures of a training run: what they mean, and how they are written into the run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist
from torch import nn

from aecore.errors import AecoreError, RunError
from aecore.files import LOCK_FILE
from aecore.runs.run import Run
from aecore.training.ranks import Ranks
from aecore.training.torchrun import is_one_of_several

OUT_OF_MEMORY = (
    "The memory ran out. Use a smaller batch or network, or fewer examples (data.limit)."
)


@contextmanager
def keep_failure(run: Run, ranks: Ranks) -> Iterator[None]:
    """Writes into state.json whatever goes wrong in the block, and raises it.

    It is an AecoreError where the user can act on it. The ranks part in the end.
    """
    try:
        yield
    except Exception as error:
        if is_one_of_several() and ranks.world > 1 and is_lost_connection(error):
            record_restart(run)
            raise
        explained = record_failure(run, error)
        if explained is error:
            raise
        raise explained from error
    finally:
        ranks.leave()


def record_failure(run: Run, error: Exception) -> Exception:
    """Writes in state.json what went wrong, and returns the error to raise.

    That is a RunError with a sentence where the user can act on it, else `error` itself.
    """
    explained = explain_failure(run, error)
    is_ours = not isinstance(explained, AecoreError)
    text = f"{type(error).__name__}: {error}" if is_ours else str(explained)
    with suppress(OSError):  # if even that fails, the lock, let go, says that the run is lost
        run.write_state(state="failed", error=text[:2000])
    return explained


def record_restart(run: Run) -> None:
    """Writes in state.json that torchrun starts all processes of the run again."""
    run.write_state(state="queued", note="A process died; all are started again")
    os.utime(run.path / LOCK_FILE)  # its time says that the next trainer is on its way


def explain_failure(run: Run, error: Exception) -> Exception:
    """Returns a RunError with a sentence for what the user can act on, else `error` itself."""
    if isinstance(error, AecoreError):
        return error
    if isinstance(error, OSError):  # most often a full disk: earlier files are whole
        return RunError(
            f"{run.path} cannot be written: {error.strerror or error}. "
            "The best model so far is kept."
        )
    return RunError(OUT_OF_MEMORY) if is_out_of_memory(error) else error


def is_out_of_memory(error: Exception) -> bool:
    """Returns True where an error means that the memory of the machine or the GPU ran out.

    GPUs raise torch.OutOfMemoryError and Python raises MemoryError. PyTorch's allocator for the CPU
    raises a bare RuntimeError, as nearly everything in PyTorch does, so that only the name of the
    allocator in its message tells it apart.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return type(error) is RuntimeError and "DefaultCPUAllocator: can't allocate" in str(error)


def is_lost_connection(error: Exception) -> bool:
    """Returns True where an error means that another process of the group died.

    NCCL and the store at which processes meet raise torch.distributed.DistError. Gloo, which joins
    CPUs, raises a bare RuntimeError, so that only the file of Gloo's sockets in its message tells
    it apart: "[.../gloo/transport/tcp/pair.cc:561] Connection closed by peer".
    """
    if isinstance(error, dist.DistError):
        return True
    return type(error) is RuntimeError and "/gloo/transport/" in str(error)


def explain_divergence(epoch: int, loss: float, lr: float) -> RunError:
    """Returns the error of a run whose loss or weights are not finite any more."""
    return RunError(
        f"The training diverged in epoch {epoch}: loss {loss:.3g} at learning rate {lr:.3g}. "
        "The best weights before that are kept. Try a tenth of the learning rate."
    )


def has_finite_weights(model: nn.Module) -> bool:
    """Returns True where no weight is NaN or infinite."""
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())
