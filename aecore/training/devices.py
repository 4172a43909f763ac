"""Devices: which one a run computes on, how it is prepared, and what it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from aecore.errors import RunError
from aecore.training.ranks import Ranks


def open_device(name: str, ranks: Ranks) -> tuple[torch.device, str]:
    """Takes the device of that name, and meets the other ranks; also returns its description."""
    device = pick_device(name, ranks.local)
    prepare_device(device)
    ranks.join(device)
    several = f", {ranks.world} processes" if ranks.world > 1 else ""
    return device, describe_device(device) + several


def pick_device(name: str, index: int = 0) -> torch.device:
    """Returns the device of that name, the fastest one for `auto`; of several GPUs that of `index`.

    Raises RunError where the machine has no such device.
    """
    is_present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    present = [kind for kind, there in is_present.items() if there]
    if name == "auto":
        name = present[0]
    if name not in present:
        raise RunError(
            f"This machine has no {name} device. Choose one of: auto, {', '.join(present)}."
        )
    if name != "cuda":
        return torch.device(name)
    count = torch.cuda.device_count()
    if index >= count:
        raise RunError(
            f"This machine has {count} GPUs, but process {index + 1} wants one too. "
            f"Start {count} processes."
        )
    return torch.device("cuda", index)


def prepare_device(device: torch.device) -> None:
    """Lets a GPU multiply in TF32: 10 bits of fraction instead of 23, several times as fast."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True


def is_half_precise(precision: str, device: torch.device) -> bool:
    """Returns True where layers are to multiply in bfloat16, by `training.precision`."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def describe_device(device: torch.device, threads: int = 0) -> str:
    """Returns a device's name for people: a GPU by its model, a CPU with its threads.

    Without `threads` they are those of this process.
    """
    if device.type == "cuda":
        return f"CUDA, {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "MPS, Apple GPU"
    threads = threads or torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Computes with at most so many threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(count, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
