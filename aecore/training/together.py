"""Several runs of one shape in one process: each as it would be alone, in the time of few.

Every run has its folder, its trainer, its stream of random numbers, its stop and its failure; only
the updates of their models are made together. A run that ends leaves the others to go on. What was
killed goes on with those that are behind, until all are at the same epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from torch import get_num_threads

from aecore.data.stored import StoredArray
from aecore.errors import AecoreError, RunError
from aecore.files import STOP_FILE
from aecore.model.parts.joint_layers import RandomStream
from aecore.runs.records import Record
from aecore.runs.run import Run
from aecore.runs.sweep import explain_apart, find_shape, group_by_shape
from aecore.training.devices import limited_threads, pick_device
from aecore.training.failures import record_failure
from aecore.training.joint_update import JointUpdate
from aecore.training.live_knobs import LOOK_SECONDS
from aecore.training.preparation import Examples
from aecore.training.run_writer import DownloadReport
from aecore.training.threads import read_kept_threads
from aecore.training.trainer import Stop, Trainer
from aecore.training.update import Step

RunRecord = tuple[Run, Record]


def fit_together(
    runs: Sequence[Run],
    stop: Stop = lambda: False,
    progress: DownloadReport | None = None,
    queued: bool = False,
) -> Iterator[RunRecord]:
    """Trains or resumes runs of one shape; yields each record that is written, with its run.

    The arguments are those of `fit`. A run that fails leaves the others alone: its error is in its
    state.json, and raised when the others have ended. RunError at once where the runs are not of
    one shape (`find_shape`), or their models cannot be trained as one.
    """
    check_shapes(runs)
    group = Group(stop, progress, queued)
    with limited_threads(get_num_threads()), closing(group):
        yield from group.records(runs)
    if group.errors:
        raise summarise_errors(group.errors, len(runs))


def check_shapes(runs: Sequence[Run]) -> None:
    """Raises RunError where runs cannot be trained as one."""
    configs = [run.config() for run in runs]
    shapes = [find_shape(config) for config in configs]
    if shapes.count(shapes[0]) < len(shapes):
        raise RunError(
            "Runs that train together differ in their seeds and knobs alone. "
            "Train these one after another."
        )
    if obstacle := explain_apart(configs[0]):
        raise RunError(f"Runs {obstacle} train one after another.")
    if not trains_on_processor(runs[0]):
        raise RunError("Runs train together on the processor alone. Set training.device to cpu.")


def arrange_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Returns the runs in groups that train together on this machine; the others are alone."""
    groups = [
        [group] if trains_on_processor(group[0]) else [[run] for run in group]
        for group in group_by_shape(runs)
    ]
    return [part for parts in groups for part in parts]


def trains_on_processor(run: Run) -> bool:
    """Returns True for a run for which this machine would take its processor."""
    training = run.config().training
    return pick_device(training.device if training else "auto").type == "cpu"


def summarise_errors(errors: Sequence[tuple[Run, Exception]], count: int) -> Exception:
    """Returns the only error, or one that nobody can act on, or one that tells all of them."""
    bugs = [error for _, error in errors if not isinstance(error, AecoreError)]
    if bugs or len(errors) == count == 1:
        return (bugs or [errors[0][1]])[0]
    texts = [f"{run.id}: {error}" for run, error in errors]
    return RunError(f"{len(errors)} of {count} runs failed. " + " ".join(texts))


class StopRequest:
    """Turns true where a run is to stop: by itself, or with all the others."""

    def __init__(self, run: Run, stop: Stop):
        self.file, self.stop = run.path / STOP_FILE, stop
        self.file.unlink(missing_ok=True)  # of an earlier training
        self.is_asked, self.looked_at = False, -math.inf

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self.looked_at >= LOOK_SECONDS:
            self.is_asked, self.looked_at = self.file.exists(), now
        return self.is_asked or self.stop()


class Group:
    """The runs that train together, each with its trainer until it ends."""

    def __init__(self, stop: Stop, progress: DownloadReport | None, queued: bool):
        self.stop, self.progress, self.queued = stop, progress, queued
        self.locks: dict[Run, ExitStack] = {}
        self.stops: dict[Run, StopRequest] = {}
        self.trainers: list[Trainer] = []
        self.examples: Examples | None = None
        self.threads = get_num_threads()
        self.streams: dict[Trainer, RandomStream] = {}
        self.joint: tuple[tuple[Trainer, ...], JointUpdate] | None = None
        self.errors: list[tuple[Run, Exception]] = []

    def records(self, runs: Iterable[Run]) -> Iterator[RunRecord]:
        """Trains all runs to their ends; of examples on the disk, one run after another."""
        for run in runs:
            self.lock(run)
        self.threads = next(filter(None, map(read_kept_threads, self.locks)), self.threads)
        for run in list(self.locks):
            yield from self.begin(run)
            if self.examples and isinstance(self.examples.data.train, StoredArray):
                yield from self.train()  # each would have windows of the file in memory
        yield from self.train()

    def train(self) -> Iterator[RunRecord]:
        """Trains those that have begun to their ends."""
        while self.trainers:
            for trainer in list(self.trainers):
                if not trainer.goes_on():
                    yield from self.conclude(trainer)
            yield from self.train_epoch(self.list_behind())

    def lock(self, run: Run) -> None:
        """Holds a run against other trainers; one that another process holds is left to it."""
        lock = ExitStack()
        try:
            lock.enter_context(run.lock(self.queued, shared=True))
        except AecoreError as error:
            self.errors.append((run, error))
        else:
            self.locks[run], self.stops[run] = lock, StopRequest(run, self.stop)

    def begin(self, run: Run) -> Iterator[RunRecord]:
        """Takes up a run where its folder stands; all have the examples that the first loads."""
        with self.spare_others(run):
            trainer = Trainer(run, self.stops[run], self.progress, examples=self.examples)
            self.examples = trainer.examples
            trainer.threads.use(self.threads)
            for record in trainer.start():
                yield run, record
            self.streams[trainer] = RandomStream()
            self.trainers.append(trainer)

    def list_behind(self) -> list[Trainer]:
        """Returns those with the fewest epochs: all of them, unless some were killed later."""
        least = min((trainer.epoch for trainer in self.trainers), default=0)
        return [trainer for trainer in self.trainers if trainer.epoch == least]

    def train_epoch(self, trainers: Sequence[Trainer]) -> Iterator[RunRecord]:
        """Trains one epoch of these, and keeps it."""
        try:
            self.make_updates(trainers)
        except Exception as error:  # what goes wrong with an update goes wrong for all
            for trainer in trainers:
                self.fail(trainer.run, error)
        for trainer in trainers:
            if trainer in self.trainers:
                with self.spare_others(trainer.run):
                    for record in trainer.end_epoch(trainer.sum_losses()):
                        yield trainer.run, record

    def make_updates(self, trainers: Sequence[Trainer]) -> None:
        """Makes all updates of one epoch of these."""
        iterators = {trainer: trainer.iterate_steps() for trainer in trainers}
        while steps := self.take_steps(iterators):
            self.update(steps)

    def take_steps(self, iterators: dict[Trainer, Iterator[Step]]) -> dict[Trainer, Step]:
        """Returns the next step of each; those without one are taken out of `iterators`."""
        steps = {}
        for trainer, iterator in list(iterators.items()):
            step = None
            try:
                with self.streams[trainer]:
                    step = next(iterator, None)
            except Exception as error:
                self.fail(trainer.run, error)
            if step is None:
                del iterators[trainer]
            else:
                steps[trainer] = step
        return steps

    def update(self, steps: dict[Trainer, Step]) -> None:
        """Makes one update of each, all in one pass."""
        trainers = tuple(steps)
        if self.joint is None or self.joint[0] != trainers:
            updates = [trainer.update for trainer in trainers]
            streams = [self.streams[trainer] for trainer in trainers]
            self.joint = trainers, JointUpdate(updates, streams)
        self.joint[1](list(steps.values()))

    def conclude(self, trainer: Trainer) -> Iterator[RunRecord]:
        """Measures a run that has ended, and lets it go."""
        with self.spare_others(trainer.run):
            for record in trainer.conclude():
                yield trainer.run, record
            self.leave(trainer.run)

    @contextmanager
    def spare_others(self, run: Run) -> Iterator[None]:
        """Lets the run go that fails in this block, and the others go on."""
        try:
            yield
        except Exception as error:
            self.fail(run, error)

    def fail(self, run: Run, error: Exception) -> None:
        """Writes into the run's folder what went wrong with it, and lets it go."""
        self.errors.append((run, record_failure(run, error)))
        self.leave(run)

    def leave(self, run: Run) -> None:
        self.trainers = [trainer for trainer in self.trainers if trainer.run != run]
        if lock := self.locks.pop(run, None):
            lock.close()

    def close(self) -> None:
        """Releases the runs that are left."""
        for lock in self.locks.values():
            lock.close()
