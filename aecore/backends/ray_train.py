"""The other side of a job on several nodes: Ray Train starts a rank on each GPU, and the first one tells the news.

    python -m aecore.backends.ray_train --workers N --name NAME [--cpu]

in the unpacked package. Where a rank dies, Ray Train starts all of them again, and the run goes on where its folder
stands: with $AECORE_RAY_STORAGE, a folder that all nodes share, also where the first rank is then on another node.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from aecore.backends.job import LOOK_SECONDS, Narrator, deliver_to_log
from aecore.backends.package import PACKAGE_FOLDER
from aecore.errors import AecoreError
from aecore.runs.run import Run

PACKAGE_ARCHIVE = Path(__file__).resolve().parents[2]


@ray.remote(num_cpus=0)
class StopFlag:
    """Up once the job was told to stop: signals reach its driver alone."""

    def __init__(self) -> None:
        self.is_up = False

    def put_up(self) -> None:
        self.is_up = True

    def look(self) -> bool:
        return self.is_up


def train_rank(options: dict[str, Any]) -> None:
    """One rank. Ray Train has set WORLD_SIZE and RANK, and made the ranks meet."""
    from aecore.training.trainer import fit

    os.chdir(PACKAGE_ARCHIVE)  # data that came along are named from there
    run, over, told = Run(open_shared_run(options["storage"])), threading.Event(), threading.Event()
    leads = os.environ["RANK"] == "0"
    narrator = Narrator(run) if leads else None

    def attend() -> None:
        while not over.wait(LOOK_SECONDS):
            if narrator:
                narrator.tell()
            if ray.get(options["flag"].look.remote()):
                told.set()

    beside = threading.Thread(target=attend)
    beside.start()
    try:
        with suppress(AecoreError):  # it is in state.json, and would come again
            list(fit(run, told.is_set))
    finally:
        over.set()
        beside.join()
    if narrator:
        narrator.tell()
        deliver_to_log(run)


def open_shared_run(storage: str) -> Path:
    """The run folder: the package's own, or its copy on the disk that the nodes share."""
    here, there = PACKAGE_ARCHIVE / PACKAGE_FOLDER, Path(storage)
    if not storage:
        return here
    if os.environ["RANK"] == "0" and not there.exists():
        draft = there.with_name(f"{there.name}.draft")
        shutil.copytree(here, draft, dirs_exist_ok=True)
        draft.rename(there)
    while not there.exists():
        time.sleep(0.2)
    return there


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, required=True)
    options.add_argument("--name", required=True, help="of the folder among those that are shared")
    options.add_argument(
        "--cpu", action="store_true", help="a core for each worker instead of a GPU"
    )
    chosen = options.parse_args()
    ray.init()
    flag = StopFlag.remote()  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, lambda *_: flag.put_up.remote())
    storage = os.environ.get("AECORE_RAY_STORAGE", "")
    TorchTrainer(
        train_rank,
        train_loop_config={
            "storage": str(Path(storage) / chosen.name) if storage else "",
            "flag": flag,
        },
        scaling_config=ScalingConfig(num_workers=chosen.workers, use_gpu=not chosen.cpu),
        run_config=RunConfig(
            name=chosen.name, storage_path=storage or None, failure_config=FailureConfig(2)
        ),
    ).fit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
