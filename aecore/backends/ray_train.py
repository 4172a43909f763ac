"""The other side of a job on several nodes: Ray Train starts a rank on each GPU, rank 0 reports.

    python -m aecore.backends.ray_train --workers N --name NAME [--cpu]

in the unpacked package. Where a rank dies, Ray Train starts all of them again, and the run goes on
where its folder stands: with $AECORE_RAY_STORAGE, a folder that all nodes share, also where the
first rank is then on another node.
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
    """A flag that is up once the job is to stop: signals reach its driver alone."""

    def __init__(self) -> None:
        self.is_up = False

    def put_up(self) -> None:
        self.is_up = True

    def look(self) -> bool:
        return self.is_up


def train_rank(options: dict[str, Any]) -> None:
    """Trains as one rank. Ray Train has set WORLD_SIZE and RANK, and made the ranks meet."""
    from aecore.training.trainer import fit

    os.chdir(PACKAGE_ARCHIVE)  # data that came along are named from there
    run = Run(open_shared_run(options["storage"]))
    narrator = Narrator(run) if os.environ["RANK"] == "0" else None
    attendant = Attendant(options["flag"], narrator)
    attendant.start()
    try:
        with suppress(AecoreError):  # it is in state.json, and would come again
            list(fit(run, attendant.stopped.is_set))
    finally:
        attendant.leave()
    if narrator:
        narrator.tell()
        deliver_to_log(run)


class Attendant(threading.Thread):
    """Beside a rank that trains: reports the run's news, and looks whether the job is to stop."""

    def __init__(self, flag: Any, narrator: Narrator | None):
        super().__init__()
        self.flag, self.narrator = flag, narrator
        self.over, self.stopped = threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
            if self.narrator:
                self.narrator.tell()
            if ray.get(self.flag.look.remote()):
                self.stopped.set()

    def leave(self) -> None:
        self.over.set()
        self.join()


def open_shared_run(storage: str) -> Path:
    """Returns the run folder: the package's own, or its copy on the disk that the nodes share."""
    packaged, shared = PACKAGE_ARCHIVE / PACKAGE_FOLDER, Path(storage)
    if not storage:
        return packaged
    if os.environ["RANK"] == "0" and not shared.exists():
        draft = shared.with_name(f"{shared.name}.draft")
        shutil.copytree(packaged, draft, dirs_exist_ok=True)
        draft.rename(shared)
    while not shared.exists():
        time.sleep(0.2)
    return shared


def parse_ray_train_options() -> argparse.Namespace:
    """Returns the options of this command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--name", required=True, help="of the folder among those that are shared")
    parser.add_argument(
        "--cpu", action="store_true", help="a core for each worker instead of a GPU"
    )
    return parser.parse_args()


def main() -> int:
    """Trains the packaged run on all workers; Ray raises where that fails for good."""
    options = parse_ray_train_options()
    ray.init()
    flag = StopFlag.remote()  # type: ignore[attr-defined]  # added by ray.remote
    signal.signal(signal.SIGTERM, lambda *_: flag.put_up.remote())
    storage = os.environ.get("AECORE_RAY_STORAGE", "")
    run_folder = str(Path(storage) / options.name) if storage else ""
    TorchTrainer(
        train_rank,
        train_loop_config={"storage": run_folder, "flag": flag},
        scaling_config=ScalingConfig(num_workers=options.workers, use_gpu=not options.cpu),
        run_config=RunConfig(
            name=options.name, storage_path=storage or None, failure_config=FailureConfig(2)
        ),
    ).fit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
