"""Kills of trainers and of the queue's supervisor at any moment; all runs end as if undisturbed."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from aecore.backends.launch import resume_run, start_run
from aecore.backends.local import continue_queue, open_supervisor_lock
from aecore.files import WEIGHTS_FILE
from aecore.runs.listing import create_run
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from aecore.training.trainer import fit
from bench.reliability.part import Outcome, Part

WAITING_RUNS = 2  # at a time: one trains, one is in the queue
LONGEST_WAIT = 6.0  # seconds before a kill: the start of a trainer and its epochs
END_SECONDS = 300.0  # for a run that is not killed any more
SUPERVISOR_SHARE = 0.3  # of the kills
SETTINGS = {"training.epochs": 12, "training.previews": 4}


class KilledRuns:
    """Runs of one config, which are killed until they are done."""

    def __init__(self, root: Path, outcome: Outcome) -> None:
        self.config = plan_run("vae", "digits", settings=SETTINGS)
        self.root, self.outcome = root / "runs", outcome
        whole = create_run(self.config, root / "whole")
        list(fit(whole))
        self.expected = describe_result(whole)
        self.runs: list[Run] = []
        self.done = 0

    def fill(self) -> None:
        """Replaces runs that are done by new ones."""
        for run in list(self.runs):
            if run.state().state == "done":
                self.check(run)
        while len(self.runs) < WAITING_RUNS:
            run = create_run(self.config)
            start_run(run)
            self.runs.append(run)

    def check(self, run: Run) -> None:
        """Counts a run that is done; broken where it is not as one that was left alone."""
        self.runs.remove(run)
        self.done += 1
        if describe_result(run) != self.expected:
            state = run.state()
            self.outcome.broken.append(
                f"{run.id} ended with other weights or records, of {state.device}"
            )
        if left := [path.name for path in run.path.glob(".*.tmp")]:
            self.outcome.broken.append(f"{run.id} was left with {left}")

    def mend(self) -> None:
        """Goes on with what was killed, as the app and its visitors do."""
        continue_queue(self.root)
        for run in self.runs:
            state = run.state()
            if state.state == "lost" or (state.state == "failed" and "died" in state.error):
                resume_run(run)

    def finish(self) -> None:
        """Waits for the runs that are left; broken are those that do not end."""
        deadline = time.monotonic() + END_SECONDS
        while self.runs and time.monotonic() < deadline:
            self.mend()
            for run in list(self.runs):
                if run.state().state == "done":
                    self.check(run)
            time.sleep(0.1)
        for run in self.runs:
            self.outcome.broken.append(f"{run.id} was lost: {run.state()}")
            run.stop()

    def kill(self, rng: random.Random) -> str:
        """Kills a trainer or the supervisor, as soon as there is one; returns which."""
        while True:
            trainers = [pid for run in self.runs if (pid := run.pid())]
            supervisor = open_supervisor_lock(self.root).holder()
            if supervisor and (rng.random() < SUPERVISOR_SHARE or not trainers):
                kill_process(supervisor)
                return "supervisor"
            if trainers:
                kill_process(trainers[0])
                return "trainer"
            self.mend()
            self.fill()
            time.sleep(0.05)


def describe_result(run: Run) -> tuple[bytes, list[tuple[int | None, float | None]]]:
    """Returns the weights of a run, and the loss of each epoch."""
    losses = [(record.epoch, record.loss) for record in run.epochs()]
    return (run.path / WEIGHTS_FILE).read_bytes(), losses


def kill_process(pid: int) -> None:
    """Kills a process without a warning, and waits until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Returns True while a process runs; one that nobody has waited for has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def use_two_cores() -> Iterator[None]:
    """Trains on at most two cores, where a run of the queue has one thread.

    On more it takes the number of threads that it measures to be the best, and sums differ in the
    last bit between numbers of threads. So do those of BLAS, by which it starts as PCA: BLAS has
    one thread, too.
    """
    torch.set_num_threads(1)
    importlib.import_module("sklearn.decomposition")  # what is loaded later has no limit
    with threadpool_limits(1, user_api="blas"), use_first_cores(2):
        yield


@contextlib.contextmanager
def use_first_cores(count: int) -> Iterator[None]:
    """Computes on so many cores at most, where the system can hold a process to some."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def use_settings(**settings: str) -> Iterator[None]:
    """Sets variables of the environment for a while."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_kills(seed: int, cases: range) -> Outcome:
    """Kills something in each case, after a while of any length."""
    outcome = Outcome()
    with (
        tempfile.TemporaryDirectory(prefix="aecore-reliability-") as name,
        use_two_cores(),
        use_settings(AECORE_RUNS=f"{name}/runs", AECORE_SLOTS="1", AECORE_PUBLIC="0"),
    ):
        killed = KilledRuns(Path(name), outcome)
        for number in cases:
            rng = random.Random(f"kills {seed} {number}")
            killed.fill()
            time.sleep(rng.uniform(0, LONGEST_WAIT))
            outcome.add(killed.kill(rng))
            killed.mend()
        killed.finish()
        outcome.notes.append(
            f"{killed.done} runs ended, each with the weights and losses of one that was left "
            "alone, bit for bit."
        )
    return outcome


PART = Part(
    "kills",
    "Trainers and the supervisor of the queue are killed (SIGKILL) at any moment from their start "
    "on, while one run trains and another waits. Broken is a run that does not end, ends with "
    "other weights or losses than one that was left alone, or keeps a draft.",
    100,
    3,
    run_kills,
)
