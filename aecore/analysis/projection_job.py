"""Maps that take a while, t-SNE and UMAP: each made by its own process and kept beside the run.

`python -m aecore.analysis.projection_job RUN umap` writes <run>/maps/<name>.safetensors. Whoever
asks for the same map again, in another tab, finds the file, or the process under way by its lock.
The process ends with the one that started it. It waits for its turn before it imports anything
large, and has the limit `map_minutes` of the processor's time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.analysis.printed_progress import STEP_PREFIX, print_shares, print_step
from aecore.errors import AecoreError, CheckpointError, DataError, RunError
from aecore.files import make_plain_folder
from aecore.limits import read_limit
from aecore.runs.child import end_with_starter, limit_processor_minutes, yield_processor
from aecore.runs.process import (
    LockFile,
    open_lock_file,
    read_log_tail,
    start_module,
    try_lock,
    write_holder,
)

if TYPE_CHECKING:
    import numpy as np

    from aecore.analysis.latent import Projection
    from aecore.runs.run import Run

PROJECTION_LIMITS = {"tsne": 10_000, "umap": 60_000}  # points; beyond it t-SNE takes many minutes
ERROR_PREFIX = "error: "  # of what the process says; beside it and its steps, libraries talk


@dataclass(frozen=True)
class ProjectionJob:
    """One map of the codes of the first `count` inputs of a split."""

    run: Run
    method: Projection
    dims: int
    split: str
    count: int
    data_name: str  # as the page shows it; the process must find the same
    seed: int = 0
    version: float = 0.0  # of the weights

    @property
    def stem(self) -> str:
        """The beginning of the file's name, the same for all versions of weights and data."""
        return f"{self.method}-{self.dims}d-{self.split}-{self.count}-seed{self.seed}"

    @property
    def path(self) -> Path:
        """The result; its name changes with weights and data."""
        digest = hashlib.sha256(f"{self.version} {self.data_name}".encode()).hexdigest()[:12]
        return projections_folder(self.run) / f"{self.stem}-{digest}.safetensors"

    @property
    def log(self) -> Path:
        """The file that the process prints to."""
        return self.path.with_suffix(".log")

    @property
    def lock(self) -> Path:
        """The file that the process keeps locked."""
        return self.path.with_suffix(".lock")

    def start(self) -> None:
        """Begins in a process of its own; harmless while it is under way.

        RunError where nothing can be written.
        """
        try:
            make_plain_folder(self.path.parent)
            with open_lock_file(self.lock) as lock:
                if not try_lock(lock):
                    return
                self.clear()
                pid = start_module(
                    "aecore.analysis.projection_job",
                    *self.arguments(),
                    log=self.log,
                    held_lock=lock,
                    is_tied=True,
                )
                write_holder(lock, pid)
        except OSError as error:
            raise RunError(
                f"No map can be made in {self.path.parent}: {error.strerror or error}."
            ) from error

    def arguments(self) -> list[str]:
        """Returns the command line of the process."""
        options = {
            "dims": self.dims,
            "split": self.split,
            "count": self.count,
            "seed": self.seed,
            "data-name": self.data_name,
            "out": self.path,
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        return [str(self.run.path.resolve()), self.method, *flags, "--tied"]

    def clear(self) -> None:
        """Removes this map and those of older weights."""
        for old in self.path.parent.glob(f"{self.stem}-*.safetensors"):
            old.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Returns True while the process lives."""
        return LockFile(self.lock).is_held()

    def read(self) -> np.ndarray | None:
        """Reads the positions (count, dims) float32; None while there is no sound file."""
        import torch

        from aecore.model.weights import read_tensors

        expected = {"positions": torch.empty(self.count, self.dims, device="meta")}
        try:
            return read_tensors(self.path, expected)["positions"].numpy()
        except CheckpointError:
            return None

    def step(self) -> str:
        """Returns what the process is doing."""
        return self._last_line(STEP_PREFIX) or "Starting"

    def failure(self) -> str | None:
        """Returns why it ended without a map; None if it did not begin, goes on or is done."""
        if not self.log.exists() or self.path.exists() or self.is_running():
            return None
        died = "The process that makes the map died. Try fewer points, or PCA."
        return self._last_line(ERROR_PREFIX) or died

    def _last_line(self, prefix: str) -> str:
        """Returns the last printed line of a prefix, without it; empty if there is none."""
        lines = [line for line in self.tail() if line.startswith(prefix)]
        return lines[-1].removeprefix(prefix) if lines else ""

    def tail(self, lines: int = 20) -> list[str]:
        """Returns the last lines that the process printed."""
        return read_log_tail(self.log, lines)

    def cancel(self, wait: float = 3.0) -> None:
        """Ends the process and removes its log. Harmless when none runs."""
        LockFile(self.lock).end_holder(wait, signal.SIGKILL)  # it has nothing to save
        self.log.unlink(missing_ok=True)


def projections_folder(run: Run) -> Path:
    """Returns where maps of a run are kept: its folder, or a temporary one if that is read-only."""
    if os.access(run.path, os.W_OK):
        return run.path / "maps"
    digest = hashlib.sha256(str(run.path.resolve()).encode()).hexdigest()[:12]
    return _temporary_path("") / f"{run.id}-{digest}"


def projection_queue_file() -> Path:
    """Returns the file that the process of the map being made keeps locked."""
    return _temporary_path(".lock")


def _temporary_path(suffix: str) -> Path:
    """Returns a path in the temporary folder that is this user's alone."""
    return Path(tempfile.gettempdir()) / f"aecore-maps-{os.getuid()}{suffix}"


# -- the process


def run_projection(job: ProjectionJob, out: Path) -> None:
    """Encodes, projects and writes. DataError where the data is not what the page showed."""
    import torch

    from aecore.analysis.chunks import encode_in_chunks
    from aecore.analysis.latent import project_codes
    from aecore.data.stand_in import load_data_or_stand_in
    from aecore.model.autoencoder import Autoencoder
    from aecore.model.weights import write_tensors

    print_step("Reading the data")
    dataset, _ = load_data_or_stand_in(job.run.config())
    if dataset.name != job.data_name:
        raise DataError(
            f"The data is {dataset.name} now, not {job.data_name}. Open the page again."
        )
    x = getattr(dataset, job.split).x[: job.count]
    with print_shares("Encoding"):
        z = encode_in_chunks(Autoencoder.load(job.run.path), x)
    with print_shares("Placing the points"):
        positions = project_codes(z, job.method, job.dims, job.seed)
    write_tensors(out, {"positions": torch.from_numpy(positions)}, {"method": job.method})


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m aecore.analysis.projection_job", description=__doc__
    )
    parser.add_argument("run", help="run id or folder")
    parser.add_argument("method", choices=list(PROJECTION_LIMITS))
    parser.add_argument("--dims", type=int, choices=(2, 3), default=2)
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tied", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


@contextmanager
def take_turn(is_tied: bool) -> Iterator[None]:
    """Lets this process wait until no other makes a map on this machine, then work within limits.

    A tied one ends with the process that started it.
    """
    if is_tied:
        end_with_starter()
    yield_processor()
    print_step("Waiting for another map")
    with LockFile(projection_queue_file()).hold(wait=True):
        minutes = read_limit("map_minutes")
        limit_processor_minutes(
            minutes,
            f"{ERROR_PREFIX}A map may take {minutes:g} minutes of the processor here, and this one "
            "takes longer. Try fewer points, or PCA.",
        )
        yield


def make_map(options: argparse.Namespace) -> None:
    """Makes the map that the command line asks for. AecoreError where that fails."""
    from aecore.runs.listing import find_run

    job = ProjectionJob(
        find_run(options.run),
        options.method,
        options.dims,
        options.split,
        options.count,
        options.data_name,
        options.seed,
    )
    run_projection(job, options.out)


def work_in_turn(work: Callable[[], object], is_tied: bool) -> int:
    """Waits for a turn and works; prints, for the page, why that failed.

    `is_tied` is as in `take_turn`. Returns the exit status of the process.
    """
    try:
        with take_turn(is_tied):
            work()
    except AecoreError as error:
        sys.stdout.write(f"{ERROR_PREFIX}{error}\n")
        return 1
    return 0


def main() -> int:
    """Makes the map that the command line asks for; returns the exit status."""
    options = parse_arguments()
    return work_in_turn(lambda: make_map(options), options.tied)


if __name__ == "__main__":
    sys.exit(main())
