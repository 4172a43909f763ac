"""The GPU's part of `python -m bench.speed --device cuda`: launching, convolutions, a profile.

`python -m bench.gpu` runs the same on a CPU, to see that it works; its figures mean nothing there.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from aecore.training.trainer import Trainer
from aecore.training.update import GraphedUpdate, Objective, Update
from bench.timing import build_trainer, format_section, run_one_epoch, time_call, time_interleaved

LAUNCHES = ("one by one", "graph", "compiled")
MATRIX_SIDE = 8192  # of the product that gives the card's rate
CONV_BATCH = 1024
EXAMPLES = 60_000
PROFILE_ROWS = 12


def measure_gpu(device: torch.device, rounds: int) -> list[str]:
    """Returns the sections of gpu.md that only a GPU has."""
    epochs = {launch: prepare_launched_epoch(device, launch) for launch in LAUNCHES}
    times = time_interleaved(epochs, rounds, device)
    return [
        format_section("Epochs of the VAE, batch 128, by how a step is launched", times),
        measure_convolutions(device, rounds),
        profile_epoch(device),
    ]


def prepare_launched_epoch(device: torch.device, launch: str) -> Callable[[], None]:
    """Returns an epoch of our trainer with its steps launched in one of the ways of LAUNCHES.

    These are kernel by kernel, as CUDA graphs, and compiled by torch.compile with graphs.
    """
    trainer = build_trainer(device)
    update = trainer.update
    if launch == "compiled":
        compiled = torch.compile(update.averaged, mode="reduce-overhead")
        update.averaged = compiled  # type: ignore[assignment]  # compile keeps the signature
    if launch != "graph" and isinstance(update, GraphedUpdate):
        objective = Objective(trainer.model, trainer.training, False)
        trainer.update = Update(objective, update.optimizer, trainer.ranks)
        trainer.update.averaged = update.averaged if launch == "compiled" else objective
    return partial(run_one_epoch, trainer)


def measure_convolutions(device: torch.device, rounds: int) -> str:
    """Returns a table of epochs of the convolutional VAE in two precisions.

    Its last column is the share of the rate that a plain matrix product reaches.
    """
    lines = [
        "| precision | epoch, median s | TFLOP/s | of a matrix product's |",
        "|---|---|---|---|",
    ]
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        trainer = build_trainer(device, CONV_BATCH, "conv-vae", **{"training.precision": precision})
        work = count_flops_per_example(trainer) * EXAMPLES
        epochs = {precision: partial(run_one_epoch, trainer)}
        seconds = statistics.median(time_interleaved(epochs, rounds, device)[precision])
        rate, product_rate = work / seconds, measure_product_rate(device, dtype)
        lines.append(
            f"| {precision} | {seconds:.3f} | {rate / 1e12:.1f} | {rate / product_rate:.0%} |"
        )
    return "\n".join([f"## Epochs of the convolutional VAE, batch {CONV_BATCH}", "", *lines])


def count_flops_per_example(trainer: Trainer) -> float:
    """Returns the multiplications and additions of one update, divided by its examples."""
    x = torch.rand(64, *trainer.config.model.input_shape, device=trainer.device)
    with FlopCounterMode(display=False) as counter:
        trainer.model.loss(x).total.backward()
    return counter.get_total_flops() / len(x)


def measure_product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Returns the FLOP/s of a large matrix product; in float32 with TF32, as the trainer has it."""
    side = MATRIX_SIDE if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    times = [time_call(lambda: torch.mm(a, b), device) for _ in range(20)][5:]
    return 2 * side**3 / statistics.median(times)


def profile_epoch(device: torch.device) -> str:
    """Returns a table of the operations that take the most time of an epoch, after one warm-up."""
    run_epoch = prepare_launched_epoch(device, "graph")
    run_epoch()
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    with profile(activities=activities) as profiled:
        run_epoch()
    key = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    operations = sorted(profiled.key_averages(), key=lambda event: -getattr(event, key))
    rows = [
        f"| `{event.key[:70]}` | {getattr(event, key) / 1000:.2f} | {event.count} |"
        for event in operations[:PROFILE_ROWS]
    ]
    return "\n".join(
        ["## Profile of an epoch", "", "| what | ms | times |", "|---|---|---|", *rows]
    )


if __name__ == "__main__":
    print("\n\n".join(measure_gpu(torch.device("cpu"), 1)))
