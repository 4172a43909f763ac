"""The limits that a new run must keep, before anything of it is made."""

from __future__ import annotations

import threading

import pytest
from helpers import tiny

from aecore.backends.admission import (
    admit_runs,
    describe_run_limits,
    describe_shared_limits,
    explain_refusal,
)
from aecore.errors import RunError
from aecore.limits import read_slot_limit
from aecore.runs.listing import create_run
from aecore.runs.ownership import HOME_USER, Visitor, claim_folder
from aecore.runs.process import LockFile

ALICE, BOB = Visitor(("alice",)), Visitor(("account", "bob"))


@pytest.fixture(autouse=True)
def public(monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")


def begin(visitor, count=1):
    """Create runs of a visitor as a page does."""
    configs = [tiny()] * count
    with admit_runs(visitor, configs):
        runs = [create_run(config) for config in configs]
        for run in runs:
            claim_folder(run.path, visitor.owner)
    return runs


def test_a_visitor_has_two_runs_at_a_time_and_is_told_what_to_do(own_runs):
    first, _ = begin(ALICE, 2)
    with pytest.raises(RunError, match=r"at most 2 runs .* You have 2, and asked for 1 more. Stop"):
        begin(ALICE)
    assert len(list(own_runs.glob("*/config.json"))) == 2, "nothing was made"
    begin(BOB)
    first.stop()
    begin(ALICE)


def test_a_refusal_is_told_before_anything_is_asked_and_ends_with_its_cause():
    first, _ = begin(ALICE, 2)
    assert "You have 2, and asked for 1 more" in explain_refusal(ALICE, [tiny()])
    assert "at most 2 runs here, got 3" in explain_refusal(BOB, [tiny()] * 3)
    assert not explain_refusal(BOB, [tiny()] * 2)
    first.stop()
    assert not explain_refusal(ALICE, [tiny()])


def test_runs_of_the_account_and_of_the_cookie_count_together():
    for owner in BOB.ids:
        claim_folder(create_run(tiny()).path, owner)
    with pytest.raises(RunError, match="You have 2"):
        begin(BOB)


def test_all_visitors_together_have_a_limit_which_names_nobody(monkeypatch):
    monkeypatch.setenv("AECORE_MAX_RUNS", "3")
    runs = [*begin(ALICE, 2), *begin(BOB)]
    with pytest.raises(RunError, match="of all visitors") as refusal:
        begin(BOB)
    assert not [run.id for run in runs if run.id in str(refusal.value)]


def test_a_quarter_of_all_places_is_left_to_visitors_who_have_no_run(monkeypatch):
    monkeypatch.setenv("AECORE_MAX_RUNS", "4")
    begin(ALICE, 2)
    begin(BOB)
    with pytest.raises(RunError, match=r"a quarter of the places .* There are 3"):
        begin(BOB)
    with pytest.raises(RunError, match="Start one alone"):
        begin(Visitor(("carol",)), 2)
    begin(Visitor(("carol",)))


def test_large_sweeps_and_models_are_refused_before_anything_is_made(own_runs, monkeypatch):
    with pytest.raises(RunError, match="at most 2 runs here, got 3"):
        begin(ALICE, 3)
    monkeypatch.setenv("AECORE_MAX_PARAMETERS", "1000")
    with pytest.raises(RunError, match="at most 1,000 weights"):
        begin(ALICE)
    assert not own_runs.exists()


def test_two_clicks_at_once_do_not_take_the_same_place(monkeypatch):
    monkeypatch.setenv("AECORE_VISITOR_RUNS", "1")
    at_the_door, outcomes, hold = threading.Event(), [], LockFile.hold

    def click():
        try:
            outcomes.append(begin(ALICE))
        except RunError as error:
            outcomes.append(error)

    def hold_and_tell(lock, wait=False):
        at_the_door.set()
        return hold(lock, wait)

    second = threading.Thread(target=click)
    with admit_runs(ALICE, [tiny()]):
        monkeypatch.setattr(LockFile, "hold", hold_and_tell)
        second.start()
        assert at_the_door.wait(300), "it asks for the lock"
        claim_folder(create_run(tiny()).path, ALICE.owner)
    second.join()
    assert isinstance(outcomes[0], RunError)


def test_at_home_there_is_no_limit_but_those_that_are_set(own_runs, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "0")
    assert not describe_run_limits()
    begin(HOME_USER, 30)
    assert not (own_runs / ".slots").exists()
    monkeypatch.setenv("AECORE_MAX_RUNS", "30")
    assert not describe_run_limits()
    assert describe_shared_limits() == "At most 30 runs of all visitors wait or train at a time."
    with pytest.raises(RunError, match="There are 30"):
        begin(HOME_USER)


def test_the_limits_are_said_in_one_sentence_and_the_shared_ones_apart(monkeypatch):
    own = "You may have 2 runs at a time, each of up to 30 minutes, 3 GB of memory and 20 million "
    assert describe_run_limits() == own + "parameters."
    shared = "A sweep has at most 2 runs. At most 20 runs of all visitors wait or train at a time."
    assert describe_shared_limits() == shared
    for name in ("RUN_MINUTES", "RUN_MEMORY_GB"):
        monkeypatch.setenv(f"AECORE_{name}", "inf")
    monkeypatch.setenv("AECORE_VISITOR_RUNS", "1")
    monkeypatch.setenv("AECORE_MAX_PARAMETERS", "5000")
    sentence = "You may have 1 run at a time, each of up to 5,000 parameters."
    assert describe_run_limits() == sentence


def test_there_are_as_many_slots_as_the_environment_says(monkeypatch):
    for text, count in (
        ("2", 2),
        ("1", 1),
        ("0", 1),
        ("-3", 1),
        ("many", 1),
        ("", 1),
        ("inf", 1000),
    ):
        monkeypatch.setenv("AECORE_SLOTS", text)
        assert read_slot_limit() == count
