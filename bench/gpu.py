"""What `python -m bench.speed --device cuda` measures besides: how a step is launched, convolutions, the profile.

`python -m bench.gpu` goes through the same on a CPU, to see that it runs; its figures mean nothing there.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from aecore.training.update import GraphedUpdate, Objective, Update
from bench.timing import build_trainer, format_section, run_one_epoch, time_call, time_interleaved

SIDE = 8192  # of the matrices whose product is the card's rate
BATCH = 1024  # of the convolutional network
EXAMPLES = 60_000


def sections(device: torch.device, rounds: int) -> list[str]:
    """The parts of gpu.md that only a GPU has."""
    ways = {
        how: epoch
        for how in ("one by one", "graph", "compiled")
        if (epoch := launched(device, how))
    }
    launches = time_interleaved(ways, rounds, device)
    return [
        format_section("Epochs of the VAE, batch 128, by how a step is launched", launches),
        convolutions(device, rounds),
        profiled(device),
    ]


def launched(device: torch.device, how: str) -> Callable[[], None]:
    """An epoch of our trainer, its steps launched kernel by kernel, as CUDA graphs, or compiled with graphs."""
    trainer = build_trainer(device)
    update = trainer.update
    if how == "compiled":
        update.averaged = torch.compile(update.averaged, mode="reduce-overhead")  # type: ignore[assignment]
    if how != "graph" and isinstance(update, GraphedUpdate):
        objective = Objective(trainer.model, trainer.training, False)
        trainer.update = Update(objective, update.optimizer, trainer.ranks)
        trainer.update.averaged = update.averaged if how == "compiled" else objective
    return partial(run_one_epoch, trainer)


def convolutions(device: torch.device, rounds: int) -> str:
    """Epochs of the convolutional VAE in both precisions, and the share of the rate of a plain matrix product."""
    lines = [
        "| precision | epoch, median s | TFLOP/s | of a matrix product's |",
        "|---|---|---|---|",
    ]
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        trainer = build_trainer(device, BATCH, "conv-vae", **{"training.precision": precision})
        work = flops(trainer) * EXAMPLES
        times = time_interleaved({precision: partial(run_one_epoch, trainer)}, rounds, device)[
            precision
        ]
        rate, most = work / statistics.median(times), product_rate(device, dtype)
        lines.append(
            f"| {precision} | {statistics.median(times):.3f} | {rate / 1e12:.1f} | {rate / most:.0%} |"
        )
    return "\n".join([f"## Epochs of the convolutional VAE, batch {BATCH}", "", *lines])


def flops(trainer: object) -> float:
    """Multiplications and additions of an update, for one example."""
    x = torch.rand(64, *trainer.config.model.input_shape, device=trainer.device)  # type: ignore[attr-defined]
    with FlopCounterMode(display=False) as counter:
        trainer.model.loss(x).total.backward()  # type: ignore[attr-defined]
    return counter.get_total_flops() / len(x)


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product; in float32 with TF32, as the trainer has it."""
    side = SIDE if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    times = [time_call(lambda: torch.mm(a, b), device) for _ in range(20)][5:]
    return 2 * side**3 / statistics.median(times)


def profiled(device: torch.device) -> str:
    """Where the time of an epoch goes, after one to warm up."""
    epoch = launched(device, "graph")
    epoch()
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    with profile(activities=kinds) as found:
        epoch()
    by = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(found.key_averages(), key=lambda row: -getattr(row, by))[:12]
    lines = [f"| `{row.key[:70]}` | {getattr(row, by) / 1000:.2f} | {row.count} |" for row in rows]
    return "\n".join(
        ["## Profile of an epoch", "", "| what | ms | times |", "|---|---|---|", *lines]
    )


if __name__ == "__main__":
    print("\n\n".join(sections(torch.device("cpu"), 1)))
