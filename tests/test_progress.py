"""How far computations are: counted, nested, told to whoever listens, and what is left of them."""

from __future__ import annotations

import os
import threading

import pytest
import torch
from helpers import model, tiny, wait_for

from aecore.analysis.chunks import encode_in_chunks
from aecore.analysis.latent import project_by_tsne
from aecore.analysis.printed_progress import find_share, print_shares
from aecore.backends.waiting import count_runs_ahead, lock_file
from aecore.progress import (
    describe_progress,
    estimate_seconds_left,
    format_duration,
    get_progress_listener,
    is_progress_wanted,
    listen_to_progress,
    progress_part,
    report_share,
    track_progress,
)
from aecore.runs.estimates import estimate_sweep_left, estimate_training_left
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord
from aecore.runs.state import State
from ui.kit.jobs import JobRegistry
from ui.train.live import FIRST_POLL_SECONDS, RUN_POLL_SECONDS, choose_poll_seconds


def test_loops_within_loops_count_as_parts_of_their_items():
    shares = []
    with listen_to_progress(shares.append):
        for _ in track_progress("ab"):
            for _ in track_progress([1, 2]):
                report_share(0.5)
        assert is_progress_wanted()
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0]
    assert not is_progress_wanted() and list(track_progress("ab")) == ["a", "b"]


def test_a_part_of_the_whole_counts_from_its_start_to_its_end():
    shares = []
    with listen_to_progress(shares.append):
        with progress_part(0.0, 0.5):
            report_share(0.5)
        with progress_part(0.5, 0.9):
            list(track_progress("ab"))
    assert shares == pytest.approx([0.25, 0.5, 0.7, 0.9, 0.9])
    with progress_part(0.0, 1.0):  # nobody listens
        assert not is_progress_wanted()


def test_a_loop_that_is_left_early_leaves_the_next_one_whole():
    shares = []
    with listen_to_progress(shares.append):
        for _ in track_progress(range(4)):
            break
        for _ in track_progress([1]):
            pass
    assert shares == [1.0]


def test_a_loop_that_is_dropped_elsewhere_takes_nobodys_listener():
    with listen_to_progress(lambda share: None):
        loop = track_progress([1, 2])
        next(loop)
    others = [].append
    with listen_to_progress(others):
        loop.close()  # as when the error of a job is dropped by a page
        assert get_progress_listener() is others


def test_a_model_tells_how_far_it_is_through_many_examples():
    shares = []
    with listen_to_progress(shares.append):
        encode_in_chunks(model(), torch.rand(2500, 6))
    assert shares == [1 / 3, 2 / 3, 1.0]


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "left"),
    [(1, 4, 10, 30), (4, 4, 10, 0), (5, 4, 10, 0), (0, 4, 10, None), (1, 4, 0, None)],
)
def test_the_time_left_goes_by_the_pace_so_far(done, total, elapsed, left):
    assert estimate_seconds_left(done, total, elapsed) == left


def test_durations_and_progress_are_short():
    durations = {0.2: "1 s", 89: "89 s", 100: "2 min", 3600: "1 h", 4800: "1 h 20 min"}
    assert {seconds: format_duration(seconds) for seconds in durations} == durations
    assert describe_progress(0.3, 0.01, 5) == "30 %", "too early to tell"
    assert describe_progress(0.5, 0.25, 6) == "50 %, about 12 s left"
    assert describe_progress(1.0, 1.0, 4) == "100 %"


def test_a_training_takes_as_long_as_its_latest_epochs_say():
    records = [EpochRecord(epoch=i + 1, seconds=100.0 if i < 10 else 2.0) for i in range(60)]
    state = State(state="running", epoch=60, epochs=100, progress=0.5)
    assert estimate_training_left(records, state) == pytest.approx(39.5 * 2)
    assert estimate_training_left([], State(state="running", epochs=3)) is None


def test_a_sweep_takes_as_long_as_its_epochs_and_slots_say():
    runs = [create_run(tiny(training={"epochs": 4})) for _ in range(3)]
    for run in runs:
        run.write_state(state="queued", processes=1, epochs=4)
    assert estimate_sweep_left(runs, 1) is None
    for epoch in range(1, 5):
        runs[0].append(EpochRecord(epoch=epoch, seconds=3.0))
    runs[0].write_state(state="done", epoch=4)
    assert estimate_sweep_left(runs, 1) == pytest.approx(24.0)
    assert estimate_sweep_left(runs, 2) == pytest.approx(12.0)


def test_a_queued_run_waits_for_others_or_starts():
    runs = [create_run(tiny()) for _ in range(3)]
    assert count_runs_ahead(runs[0].path) is None, "nobody queued it"
    for since, run in enumerate(runs, 1):
        run.write_state(state="queued", processes=1, since=float(since))
    assert [count_runs_ahead(run.path) for run in runs] == [0, 1, 2]
    slots = runs[0].path.parent / ".slots"
    slots.mkdir()
    slot = lock_file(slots / "0.lock")
    os.write(slot, f'["{runs[0].id}", 1.0]'.encode())
    try:
        assert [count_runs_ahead(run.path) for run in runs] == [None, 1, 2]
        runs[0].write_state(state="running", processes=0)
        assert [count_runs_ahead(run.path) for run in runs] == [None, 1, 2]
    finally:
        os.close(slot)
    assert [count_runs_ahead(run.path) for run in runs] == [None, 0, 1]


def test_runs_that_train_together_wait_as_one(own_runs):
    runs = [create_run(tiny()) for _ in range(4)]
    for since, run in enumerate(runs, 1):
        together = runs[0].id if run in runs[:3] else ""
        run.write_state(state="queued", processes=1, since=float(since), together=together)
    assert [count_runs_ahead(run.path) for run in runs] == [0, 0, 0, 1]
    (own_runs / ".slots").mkdir()
    slot = lock_file(own_runs / ".slots" / "0.lock")
    os.write(slot, f'["{runs[0].id}", 1.0]'.encode())
    try:
        assert [count_runs_ahead(run.path) for run in runs] == [None, None, None, 1]
    finally:
        os.close(slot)


def test_a_page_looks_more_often_for_the_first_epoch_of_a_run_on_its_way(own_runs):
    first, second = (create_run(tiny()) for _ in range(2))
    for since, run in enumerate((first, second), start=1):
        run.write_state(since=float(since), processes=1)
    assert choose_poll_seconds(first, first.state()) == FIRST_POLL_SECONDS
    assert choose_poll_seconds(second, second.state()) == RUN_POLL_SECONDS, "it waits for the first"
    assert choose_poll_seconds(second, State(state="running")) == FIRST_POLL_SECONDS
    second.append(EpochRecord(epoch=1, loss=1.0))
    assert choose_poll_seconds(second, State(state="running")) == RUN_POLL_SECONDS
    assert choose_poll_seconds(first, State(state="stopped")) is None


def test_a_job_reports_to_its_own_bar():
    registry, go_on = JobRegistry(), threading.Event()

    def work() -> str:
        for _ in track_progress(range(2)):
            go_on.wait(300)
        return "done"

    registry.start("job", work)
    clock = registry.clocks["job"]
    assert clock.share is None and clock.describe("Working ...") == "Working ..."
    go_on.set()
    wait_for(lambda: not registry.working, "the thread ends")
    assert clock.share == 1.0 and clock.describe("Working ...") == "Working: 100 %"
    assert not registry.clocks


def test_a_map_is_the_same_where_somebody_listens_and_tells_its_share(capsys):
    z = torch.randn(40, 3).numpy()
    silent = project_by_tsne(z, 2, 0)
    with print_shares("Placing the points"):
        heard = project_by_tsne(z, 2, 0)
    assert (silent == heard).all()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "> Placing the points" and find_share(lines[0]) is None
    shares = [find_share(line) for line in lines[1:]]
    assert all(line.startswith("> Placing the points: ") for line in lines[1:])
    assert shares == sorted(shares) and len(shares) > 3 and shares[-1] <= 1
