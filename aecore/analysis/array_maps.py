"""Small maps of arrays by t-SNE and UMAP, made in a process that yields and ends with its server.

`python -m aecore.analysis.array_maps FOLDER` reads the arrays of <FOLDER>/arrays.safetensors and
writes their maps to <FOLDER>/maps.safetensors. As other slow maps, it waits for its turn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.analysis.printed_progress import STEP_PREFIX, find_share, print_shares
from aecore.analysis.projection_job import ERROR_PREFIX, work_in_turn
from aecore.errors import RunError
from aecore.progress import report_share
from aecore.runs.drafts import MAPS_DRAFT, open_draft_folder
from aecore.runs.process import LockFile, read_log_tail, start_module, try_lock

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ARRAYS_FILE, MAPS_FILE = "arrays.safetensors", "maps.safetensors"
POLL_SECONDS = 0.1
METHODS = ("t-SNE", "UMAP")
MAX_PRINTED_STEPS = 500  # that are read of a log: one for each per cent of each map


class AbandonedMapsError(RunError):
    """Maps were given up because nobody waited for them any more."""


def place_arrays(
    arrays: Mapping[str, Tensor], is_wanted: Callable[[], bool] = lambda: True
) -> dict[str, np.ndarray]:
    """Returns maps (N, 2) of arrays (N, d) by t-SNE and UMAP, named "array, method".

    Waits for the process that makes them, and reports its progress. RunError where that fails,
    AbandonedMapsError when they are no longer wanted.
    """
    from safetensors.torch import load_file, save_file

    with open_draft_folder(MAPS_DRAFT) as folder:
        save_file({name: x.contiguous() for name, x in arrays.items()}, folder / ARRAYS_FILE)
        run_and_wait(folder, is_wanted, len(arrays))
        if not (folder / MAPS_FILE).exists():
            raise RunError(find_failure(folder / "log.txt"))
        maps = load_file(folder / MAPS_FILE)
        names = [f"{array}, {method}" for method in METHODS for array in arrays]
        return {name: maps[name].numpy() for name in names}


def run_and_wait(folder: Path, is_wanted: Callable[[], bool], count: int) -> None:
    """Runs the process over a folder of `count` arrays until it has ended.

    Ends it, and raises AbandonedMapsError, when it is no longer wanted.
    """
    lock = LockFile(folder / "lock")
    with open(lock.path, "a+") as file:
        try_lock(file)
        log = folder / "log.txt"
        module = "aecore.analysis.array_maps"
        pid = start_module(module, str(folder), log=log, held_lock=file, is_tied=True)
        file.write(str(pid))
    is_abandoned = False
    while lock.is_held():
        report_printed_share(log, len(METHODS) * count)
        is_abandoned = is_abandoned or not is_wanted()
        if is_abandoned:
            lock.end_holder(0)
        time.sleep(POLL_SECONDS)
    if is_abandoned:
        raise AbandonedMapsError("The maps were given up: nobody waited for them.")


def report_printed_share(log: Path, count: int) -> None:
    """Reports how many of `count` maps a process has made that prints to this log."""
    steps = [line for line in read_log_tail(log, MAX_PRINTED_STEPS) if line.startswith(STEP_PREFIX)]
    names = [step.partition(" by ")[0::2] for step in steps if " by " in step]
    done = len({(array, method.partition(":")[0]) for array, method in names}) - 1
    if names:
        report_share((done + (find_share(steps[-1]) or 0.0)) / count)


def find_failure(log: Path) -> str:
    """Returns why a process that printed this log made no maps."""
    errors = [line for line in read_log_tail(log) if line.startswith(ERROR_PREFIX)]
    if not errors:
        return "The process that makes the maps died."
    return errors[-1].removeprefix(ERROR_PREFIX)


# -- the process


def write_array_maps(folder: Path) -> None:
    """Places the arrays of a folder by each method."""
    import torch
    from safetensors.torch import load_file, save_file

    from aecore.analysis.latent import project_by_tsne, project_by_umap

    maps = {}
    for method, project in zip(METHODS, (project_by_tsne, project_by_umap), strict=True):
        for name, x in load_file(folder / ARRAYS_FILE).items():
            with print_shares(f"{name} by {method}"):
                maps[f"{name}, {method}"] = torch.from_numpy(project(x.numpy(), 2, 0)).contiguous()
    save_file(maps, folder / MAPS_FILE)


def main() -> int:
    """Makes the maps of the folder that the command line names; returns the exit status."""
    return work_in_turn(lambda: write_array_maps(Path(sys.argv[1])), is_tied=True)


if __name__ == "__main__":
    sys.exit(main())
