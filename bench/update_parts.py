"""Milliseconds of an epoch by part: matrix products, Adam, the loss, the rest.

A part of `python -m bench.speed`; `python -m bench.update_parts` prints it alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from bench.timing import BATCH, build_trainer, run_one_epoch, time_call

# Names of the profiler: an operation of one part is not within one of another.
PARTS: Mapping[str, tuple[str, ...]] = {
    "products": ("mkldnn::_linear_pointwise", "aten::mm", "aten::addmm"),
    "Adam": ("aten::_fused_adam_", "aten::_foreach_add_"),
    "cross-entropy and its gradient": ("CrossEntropy", "CrossEntropyBackward"),
    "taking the batch": ("aten::index_select",),
}
REST = "small operations, and Python between all of them"
TIMED_EPOCHS = 3


def measure_update_parts(batch: int = BATCH) -> str:
    """Returns a table of an epoch of the VAE on the processor: milliseconds of each part."""
    device = torch.device("cpu")
    run_epoch = partial(run_one_epoch, build_trainer(device, batch))
    run_epoch()
    whole = 1000 * statistics.median(time_call(run_epoch, device) for _ in range(TIMED_EPOCHS))
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run_epoch()
    spent = {event.key: event.cpu_time_total / 1000 for event in profiled.key_averages()}
    parts = {part: sum(spent.get(name, 0.0) for name in names) for part, names in PARTS.items()}
    parts[REST] = whole - sum(parts.values())
    rows = [f"| {part} | {ms:.0f} | {ms / whole:.0%} |" for part, ms in parts.items()]
    return "\n".join(
        [
            f"## What an epoch of updates spends, batch {batch}",
            "",
            "Parts by the profiler; the rest is what they leave of an epoch without it.",
            "",
            "| part | ms | share |",
            "|---|---|---|",
            *rows,
            f"| an epoch | {whole:.0f} | |",
        ]
    )


if __name__ == "__main__":
    print(measure_update_parts())
