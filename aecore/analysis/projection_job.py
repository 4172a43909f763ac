"""Maps that take a while, t-SNE and UMAP: each made by a process of its own and kept beside the run.

`python -m aecore.analysis.projection_job RUN umap` writes <run>/maps/<name>.safetensors. Whoever asks for the same map
again, in another tab or after a restart, finds the file, or the process under way by its lock.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from aecore.analysis.latent import Projection, encode_codes, project_codes
from aecore.backends.local import child_environment
from aecore.backends.slots import try_lock
from aecore.data.stand_in import load_data_or_stand_in
from aecore.errors import AecoreError, CheckpointError, DataError, RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.weights import read_tensors, write_tensors
from aecore.runs.listing import find_run
from aecore.runs.run import Run, signal_process

PROJECTION_LIMITS = {"tsne": 10_000, "umap": 60_000}  # points; beyond it t-SNE takes many minutes
STEP_PREFIX, ERROR_PREFIX = (
    "> ",
    "error: ",
)  # what the process says begins with these; the rest is libraries talking


@dataclass(frozen=True)
class ProjectionJob:
    """One map of the codes of the first `count` inputs of a split."""

    run: Run
    method: Projection
    dims: int
    split: str
    count: int
    data_name: str  # what the page shows; the process must find the same
    seed: int = 0
    version: float = 0.0  # of the weights

    @property
    def stem(self) -> str:
        return f"{self.method}-{self.dims}d-{self.split}-{self.count}-seed{self.seed}"

    @property
    def path(self) -> Path:
        """The result; its name changes with weights and data."""
        digest = hashlib.sha256(f"{self.version} {self.data_name}".encode()).hexdigest()[:12]
        return projections_folder(self.run) / f"{self.stem}-{digest}.safetensors"

    @property
    def log(self) -> Path:
        return self.path.with_suffix(".log")

    @property
    def lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def start(self) -> None:
        """Begin in a process of its own; harmless while it is under way. RunError where nothing can be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.lock, "a+b") as lock:
                if not try_lock(lock):
                    return
                self.clear()
                with open(self.log, "wb") as log:
                    process = subprocess.Popen(
                        [sys.executable, "-m", "aecore.analysis.projection_job", *self.arguments()],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=child_environment(),
                        pass_fds=[
                            lock.fileno()
                        ],  # the child holds the lock until it ends, however it ends
                        start_new_session=True,
                    )
                lock.truncate(0)
                lock.write(str(process.pid).encode())
        except OSError as error:
            raise RunError(
                f"No map can be made in {self.path.parent}: {error.strerror or error}."
            ) from error

    def arguments(self) -> list[str]:
        named = {
            "dims": self.dims,
            "split": self.split,
            "count": self.count,
            "seed": self.seed,
            "data-name": self.data_name,
            "out": self.path,
        }
        return [
            str(self.run.path.resolve()),
            self.method,
            *(f"--{name}={value}" for name, value in named.items()),
        ]

    def clear(self) -> None:
        """Remove this map and those of older weights."""
        for old in self.path.parent.glob(f"{self.stem}-*.safetensors"):
            old.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)

    def is_running(self) -> bool:
        try:
            with open(self.lock, "rb") as lock:
                return not try_lock(lock)
        except OSError:
            return False

    def seconds(self) -> float:
        """Since it was started."""
        try:
            return max(0.0, time.time() - self.lock.stat().st_mtime)
        except OSError:
            return 0.0

    def read(self) -> np.ndarray | None:
        """Positions (count, dims) float32; None while there is no sound file."""
        expected = {"positions": torch.empty(self.count, self.dims, device="meta")}
        try:
            return read_tensors(self.path, expected)["positions"].numpy()
        except CheckpointError:
            return None

    def step(self) -> str:
        """What the process is at."""
        said = [line for line in self.tail() if line.startswith(STEP_PREFIX)]
        return said[-1].removeprefix(STEP_PREFIX) if said else "Starting"

    def failure(self) -> str | None:
        """Why it ended without a map, in a sentence; None where it was not begun, goes on or is done."""
        if not self.log.exists() or self.path.exists() or self.is_running():
            return None
        said = [line for line in self.tail() if line.startswith(ERROR_PREFIX)]
        return (
            said[-1].removeprefix(ERROR_PREFIX)
            if said
            else "The process that makes the map died. Try fewer points, or PCA."
        )

    def tail(self, lines: int = 20) -> list[str]:
        """The end of what the process printed."""
        try:
            return self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def cancel(self, wait: float = 3.0) -> None:
        """End the process and forget it. Harmless when none runs."""
        deadline = time.monotonic() + wait
        try:
            pid = int(self.lock.read_text())
        except (OSError, ValueError):
            pid = 0
        if pid and self.is_running():
            signal_process(pid, signal.SIGKILL)  # it has nothing to save
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.02)
        self.log.unlink(missing_ok=True)


def projections_folder(run: Run) -> Path:
    """Where maps of a run are kept: in its folder, or a temporary one where that is read-only."""
    if os.access(run.path, os.W_OK):
        return run.path / "maps"
    where = hashlib.sha256(str(run.path.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"aecore-maps-{os.getuid()}" / f"{run.id}-{where}"


# -- the process


def run_projection(job: ProjectionJob, out: Path) -> None:
    """Encode, place and write. DataError where the data is not what the page showed."""
    print_step("Waiting for another map")
    with open(projection_queue_file(), "ab") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)  # one at a time on this machine
        print_step("Reading the data")
        found, _ = load_data_or_stand_in(job.run.config())
        if found.name != job.data_name:
            raise DataError(
                f"The data is {found.name} now, not {job.data_name}. Open the page again."
            )
        x = getattr(found, job.split).x[: job.count]
        print_step("Encoding")
        z = encode_codes(Autoencoder.load(job.run.path), x)
        print_step("Placing the points")
        positions = project_codes(z, job.method, job.dims, job.seed)
        write_tensors(out, {"positions": torch.from_numpy(positions)}, {"method": job.method})


def projection_queue_file() -> Path:
    return Path(tempfile.gettempdir()) / f"aecore-maps-{os.getuid()}.lock"


def print_step(step: str) -> None:
    sys.stdout.write(f"{STEP_PREFIX}{step}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m aecore.analysis.projection_job", description=__doc__
    )
    parser.add_argument("run", help="run id or folder")
    parser.add_argument("method", choices=get_args(Projection))
    parser.add_argument("--dims", type=int, choices=(2, 3), default=2)
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        job = ProjectionJob(
            find_run(args.run),
            args.method,
            args.dims,
            args.split,
            args.count,
            args.data_name,
            args.seed,
        )
        run_projection(job, args.out)
    except AecoreError as error:
        sys.stdout.write(f"{ERROR_PREFIX}{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
