"""Threads of the processor: how many a run computes with, by a measurement of its own steps.

Threads of OpenMP spin while they wait for each other: on an idle machine two are faster than one,
beside another busy process several times slower. So a few steps are timed when a run starts, and
again after an epoch that one thread would have done sooner. Sums differ in the last bit between
numbers of threads: state.json keeps the number, and a resumed run goes on with it.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping
from statistics import fmean

import torch

from aecore.runs.process import count_cores
from aecore.runs.run import Run
from aecore.training.batches import Batches
from aecore.training.devices import describe_device
from aecore.training.ranks import Ranks
from aecore.training.run_writer import RunWriter
from aecore.training.update import Update, build_update

WINDOW_STEPS, WINDOW_SECONDS = 4, 0.1  # timed in a row, of which the first to be reached ends it
MAX_TURNS, MAX_SECONDS = 50, 0.4  # of a measurement
MAX_SHARE = 0.02  # of the time ahead that a measurement takes
ADVANTAGE = 1.08  # more threads are to be so many times as fast
TOLERATED_SLOWNESS = 1.3  # of an epoch, as a multiple of what one thread would take

Timer = Callable[[], float]
TrialStep = Callable[[], object]
logger = logging.getLogger(__name__)


class RunThreads:
    """The threads of a run: chosen where one process trains it on the processor, with several."""

    def __init__(self, run: Run, writer: RunWriter, ranks: Ranks, timer: Timer = time.perf_counter):
        self.run, self.writer, self.timer = run, writer, timer
        self.device, self.most = ranks.device, torch.get_num_threads()
        self.is_free = self.device.type == "cpu" and ranks.world == 1
        self.count, self.seconds_of_one = self.most, 0.0

    def begin(self, update: Update, batches: Batches, epochs: int) -> None:
        """Takes the number of threads that the run had before, else the best for so many epochs."""
        if not self.is_free:
            return
        before = read_kept_threads(self.run)
        if self.most > 1 or before > 1:
            best = self.measure(update, batches, epochs * batches.steps)
            self.use(before or best)
        else:
            self.use(1)

    def review(self, update: Update, batches: Batches, seconds: float) -> None:
        """Measures anew where an epoch of so many seconds was slower than with one thread."""
        tolerated = TOLERATED_SLOWNESS * batches.steps * self.seconds_of_one
        if self.count > 1 and 0 < tolerated < seconds:
            self.use(self.measure(update, batches, batches.steps))

    def measure(self, update: Update, batches: Batches, steps: int) -> int:
        """Returns the best number of threads for so many steps; logs what was measured."""
        counts = list_thread_counts(self.most)
        with torch.random.fork_rng(devices=[]):
            seconds = time_threads(prepare_trial(update, batches), counts, steps, self.timer)
        self.seconds_of_one = seconds[1]
        measured = ", ".join(f"{1000 * seconds[n]:.3g} with {format_threads(n)}" for n in counts)
        logger.info("Milliseconds of a step: %s.", measured)
        return choose_thread_count(seconds)

    def use(self, count: int) -> None:
        """Computes with so many threads from now on."""
        torch.set_num_threads(count)
        self.count = count
        self.writer.write_state(threads=count, device=describe_device(self.device))
        logger.info("Trains with %s.", format_threads(count))


def read_kept_threads(run: Run) -> int:
    """Returns with how many threads a run was trained before; 0 for none, or too few cores."""
    state = run.saved_state()
    count = state.threads if state else 0
    if count <= count_cores():
        return count
    logger.info("It had %s, more than there are cores.", format_threads(count))
    return 0


def list_thread_counts(most: int) -> list[int]:
    """Returns the numbers of threads to try: powers of two, and the most."""
    return [*(2**i for i in range(most.bit_length()) if 2**i < most), most]


def prepare_trial(update: Update, batches: Batches) -> TrialStep:
    """Returns an update of a copy of the model by the first batch, which leaves the run alone."""
    objective = update.objective
    model = copy.deepcopy(objective.model)
    trial = build_update(model, objective.config, objective.binarises, update.ranks)
    x = next(batches.iterate_epoch(0))
    return lambda: trial(x, objective.config.lr, 1.0)


def time_threads(step: TrialStep, counts: list[int], steps: int, timer: Timer) -> dict[int, float]:
    """Returns the mean seconds of a step by number of threads, which take turns.

    What is around comes and goes: turns go on for a small share of the seconds of `steps` steps.
    The first turn warms up, and counts where there is no other.
    """
    turns = [{count: time_window(step, count, timer) for count in counts}]
    limit = min(MAX_SECONDS, MAX_SHARE * steps * min(turns[0].values())) / (WINDOW_STEPS + 1)
    while len(turns) < MAX_TURNS and sum(sum(turn.values()) for turn in turns) < limit:
        turns.append({count: time_window(step, count, timer) for count in counts})
    return {count: fmean(turn[count] for turn in turns[1:] or turns) for count in counts}


def time_window(step: TrialStep, threads: int, timer: Timer) -> float:
    """Returns the mean seconds of a few steps in a row, after one that wakes the threads."""
    torch.set_num_threads(threads)
    step()
    started, steps, seconds = timer(), 0, 0.0
    while not steps or (steps < WINDOW_STEPS and seconds < WINDOW_SECONDS):
        step()
        steps += 1
        seconds = timer() - started
    return seconds / steps


def choose_thread_count(seconds: Mapping[int, float]) -> int:
    """Returns the fewest threads that are about as fast as the fastest."""
    return min(n for n, value in seconds.items() if value <= ADVANTAGE * min(seconds.values()))


def format_threads(count: int) -> str:
    """Returns `1 thread` or `2 threads`."""
    return f"{count} thread" + ("" if count == 1 else "s")
