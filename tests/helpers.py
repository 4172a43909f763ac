"""Digits, models and small runs that several tests build on, and processes forked from tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig, parse_options
from aecore.runs.listing import create_run
from aecore.runs.run import Run
from aecore.training.trainer import fit
from bench.reliability.sandbox import Verdict, read_usage, try_case

VAE = {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "bernoulli"}}
FAST = {"epochs": 3, "batch_size": 64, "previews": 0, "device": "cpu"}


def digits(count: int | None = None) -> Tensor:
    """Training digits (N, 1, 8, 8), in [0, 1]."""
    return as_float(load_dataset(DataConfig(name="digits")).train.x)[:count]


def model(seed: int = 0, **options: Any) -> Autoencoder:
    """An autoencoder with these options, its weights made by `seed`."""
    torch.manual_seed(seed)
    return Autoencoder(
        parse_options(ModelConfig, {"input_shape": (6,), "latent_dim": 3, **options})
    )


def tiny(
    data: dict[str, Any] | None = None, training: dict[str, Any] | None = None, **options: Any
) -> RunConfig:
    """A run on 200 digits that trains in a tenth of a second."""
    options = {
        "input_shape": (1, 8, 8),
        "latent_dim": 4,
        "network": {"kind": "mlp", "hidden": (16,)},
        **options,
    }
    return RunConfig(
        model=parse_options(ModelConfig, options),
        data=DataConfig(**{"name": "digits", "limit": 200, **(data or {})}),
        training=TrainConfig(**{**FAST, **(training or {})}),
    )


def trained(config: RunConfig | None = None, folder: Path | None = None) -> Run:
    """A run, trained to its end."""
    run = create_run(config or tiny(), folder)
    list(fit(run))
    return run


def weights_of(run: Run) -> bytes:
    return (run.path / "model.safetensors").read_bytes()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 600.0) -> Any:
    """Wait until `condition` is true and return it; the limit is against hanging alone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def fork(work: Callable[[], Any]) -> int:
    """`work` in a process of its own, which has imported all that this one has; its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = 70
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        status = int(work() or 0)
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """Wait for a forked process; its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def hold_still() -> None:
    """Do nothing until killed; for a forked process."""
    while True:
        signal.pause()


def kill_hard(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL, "it had ended before it could be killed"


def visit_apart(call: Callable[[], str], seconds: float = 10, memory: int = 500_000_000) -> Verdict:
    """Call in a process of its own, with a limit of its time and of the memory that it adds."""
    own = read_usage(os.getpid())
    assert own is not None
    return try_case(call, seconds, own.memory + memory)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def run_async(call):
    """Returns what a coroutine returns; in a thread, since Playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()
