"""How many threads a run computes with: measured by its own steps, kept, and looked into again.

Seconds are those of a clock that the tests turn on.
"""

from __future__ import annotations

import logging

import pytest
import torch
from helpers import VAE, tiny, trained, weights_of

from aecore.model.variants import VARIANTS
from aecore.model.variants.fitting import configure
from aecore.runs.listing import create_run
from aecore.training import threads
from aecore.training.threads import (
    MAX_TURNS,
    choose_thread_count,
    list_thread_counts,
    prepare_trial,
    time_threads,
)
from aecore.training.together import fit_together
from aecore.training.trainer import Trainer, fit

HOUR = 3600.0  # of a step: no epoch of a test is slow beside it, however slow the machine


class Machine:
    """A clock, and steps that move it on by the seconds that so many threads take."""

    def __init__(self, seconds):
        self.seconds, self.now, self.steps = seconds, 0.0, 0

    def step(self):
        self.now += self.seconds[torch.get_num_threads()]
        self.steps += 1

    def timer(self):
        return self.now


@pytest.fixture
def two_cores(monkeypatch):
    """Two threads and two cores for every run, whatever there is."""
    monkeypatch.setattr(threads, "count_cores", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def machine(two_cores, monkeypatch):
    """A machine whose seconds of a step, by number of threads, a test may change."""
    machine = Machine({1: 2 * HOUR, 2: HOUR})
    monkeypatch.setattr(threads, "prepare_trial", lambda update, batches: machine.step)
    monkeypatch.setattr(threads.RunThreads.__init__, "__defaults__", (machine.timer,))
    return machine


def test_powers_of_two_are_tried_and_the_most():
    assert [list_thread_counts(most) for most in (1, 2, 6, 8)] == [
        [1],
        [1, 2],
        [1, 2, 4, 6],
        [1, 2, 4, 8],
    ]


def test_the_measured_seconds_are_those_of_a_step(two_cores):
    machine = Machine({1: 0.003, 2: 0.002})
    seconds = time_threads(machine.step, [1, 2], 10_000, machine.timer)
    assert seconds == pytest.approx({1: 0.003, 2: 0.002})
    assert machine.now <= threads.MAX_SECONDS + 0.1


def test_a_short_training_is_measured_for_a_short_time(two_cores):
    machine = Machine({1: 0.003, 2: 0.003})
    time_threads(machine.step, [1, 2], 20, machine.timer)
    assert machine.steps == 2 * (threads.WINDOW_STEPS + 1)
    slow = Machine({1: 30.0, 2: 20.0})
    time_threads(slow.step, [1, 2], 10, slow.timer)
    assert slow.steps == 4
    quick = Machine({1: 1e-9, 2: 1e-9})
    time_threads(quick.step, [1, 2], 10**9, quick.timer)
    assert quick.steps == 2 * MAX_TURNS * (threads.WINDOW_STEPS + 1)


def test_more_threads_are_taken_where_they_are_faster_and_not_where_they_are_as_fast():
    assert choose_thread_count({1: 2.0, 2: 1.0, 4: 0.98}) == 2
    assert choose_thread_count({1: 1.0, 2: 0.95}) == 1
    assert choose_thread_count({1: 1.0, 2: 3.0}) == 1


def test_a_run_takes_the_faster_number_and_says_so(machine, caplog):
    caplog.set_level(logging.INFO)
    state = trained().state()
    assert (state.state, state.threads, state.device) == ("done", 2, "CPU, 2 threads")
    assert "a step: 7.2e+06 with 1 thread, 3.6e+06 with 2 threads." in caplog.text
    machine.seconds = {1: HOUR, 2: 2 * HOUR}
    state = trained().state()
    assert (state.threads, state.device) == (1, "CPU, 1 thread")


def test_a_process_computes_with_as_many_threads_after_a_run_as_before(machine):
    machine.seconds = {1: HOUR, 2: 2 * HOUR}
    trained()
    assert torch.get_num_threads() == 2


def test_a_resumed_run_keeps_its_number_of_threads(machine):
    run, seen = create_run(tiny()), []
    for record in fit(run, lambda: bool(seen)):
        seen.append(record)
    assert run.state().state == "stopped" and run.state().threads == 2
    machine.seconds = {1: HOUR, 2: 2 * HOUR}
    list(fit(run))
    assert run.state().state == "done" and run.state().threads == 2
    torch.set_num_threads(1)  # as the queue of a small machine has it
    run.write_state(state="stopped")
    list(fit(run))
    assert run.state().threads == 2


def test_a_resumed_group_keeps_its_number_of_threads(two_cores):
    runs, seen = [create_run(tiny(training={"seed": seed})) for seed in range(2)], []
    for record in fit_together(runs, lambda: bool(seen)):
        seen.append(record)
    assert [run.state().threads for run in runs] == [2, 2]
    torch.set_num_threads(1)  # as the queue of a small machine has it
    assert {torch.get_num_threads() for _ in fit_together(runs)} == {2}
    assert [run.state().threads for run in runs] == [2, 2] and torch.get_num_threads() == 1


def test_a_run_of_a_larger_machine_is_measured_anew(machine, caplog):
    caplog.set_level(logging.INFO)
    run = create_run(tiny())
    run.write_state(threads=16)
    list(fit(run))
    assert run.state().threads == 2 and "16 threads, more than there are cores" in caplog.text


def test_an_epoch_slower_than_with_one_thread_makes_the_run_measure_anew(machine):
    trainer = Trainer(create_run(tiny()), lambda: False, None)
    trainer.threads.begin(trainer.update, trainer.batches, 3)
    assert trainer.threads.count == 2
    machine.seconds = {1: 2 * HOUR, 2: 9 * HOUR}  # another process began
    as_before, slow = HOUR * trainer.batches.steps, 9 * HOUR * trainer.batches.steps
    trainer.threads.review(trainer.update, trainer.batches, as_before)
    assert trainer.threads.count == 2
    trainer.threads.review(trainer.update, trainer.batches, slow)
    assert trainer.threads.count == 1 and trainer.run.state().threads == 1


def test_a_measurement_leaves_the_run_as_it_is(two_cores, monkeypatch):
    measured = []
    monkeypatch.setattr(threads, "choose_thread_count", lambda seconds: measured.append(1) or 1)
    config = tiny(**VAE)
    torch.set_num_threads(2)
    run = trained(config)
    assert measured
    torch.set_num_threads(1)
    assert weights_of(run) == weights_of(trained(config))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_of_every_variant_can_be_tried_before_and_while_it_trains(variant):
    config = configure(variant, (1, 8, 8), examples=200)
    training = config.training.model_copy(update={"epochs": 1})
    run = create_run(config.model_copy(update={"training": training, "data": tiny().data}))
    trainer = Trainer(run, lambda: False, None)
    for _ in range(2):
        before = [parameter.clone() for parameter in trainer.model.parameters()]
        prepare_trial(trainer.update, trainer.batches)()
        assert all(map(torch.equal, before, trainer.model.parameters()))
        trainer.update(next(trainer.batches.iterate_epoch(0)), 1e-3, 1.0)
