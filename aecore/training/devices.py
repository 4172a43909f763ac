"""Where a run computes: which device there is, and what it is called."""

from __future__ import annotations

import torch

from aecore.errors import RunError


def pick_device(name: str, index: int = 0) -> torch.device:
    """The device of that name, or the best there is; of several GPUs that of this index.

    RunError where it is not present.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        there = ", ".join(kind for kind, is_there in present.items() if is_there)
        raise RunError(f"This machine has no {name} device. Choose one of: auto, {there}.")
    if name != "cuda":
        return torch.device(name)
    if index >= (count := torch.cuda.device_count()):
        raise RunError(
            f"This machine has {count} GPUs, but process {index + 1} wants one too. Start {count} processes."
        )
    return torch.device("cuda", index)


def prepare_device(device: torch.device) -> None:
    """Let a GPU multiply in TF32: ten bits of fraction instead of 23, several times as fast."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True


def describe_device(device: torch.device) -> str:
    """For people: CPU with its threads, a GPU with its name."""
    if device.type == "cuda":
        return f"CUDA, {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return (
        "MPS, Apple GPU"
        if device.type == "mps"
        else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    )
