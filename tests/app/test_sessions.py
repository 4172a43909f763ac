"""Sessions that end, and what ends with them: jobs, their outcomes, and slow maps."""

from __future__ import annotations

import fcntl
import threading

import pytest
from helpers import wait_for

from aecore.analysis.projection_job import ProjectionJob, projection_queue_file
from aecore.data.datasets import load_dataset
from aecore.errors import AecoreError
from aecore.runs.ownership import claim_folder
from tests.app.test_latent_page import find_button, read_texts
from ui.kit.jobs import (
    IDLE,
    MAX_JOBS,
    RUNNING,
    VISITOR_JOBS,
    JobRegistry,
    JobStarter,
    get_job_registry,
)
from ui.kit.sessions import GRACE_SECONDS, SessionWatch, read_resume_seconds, session_watch
from ui.latent.slow_maps import map_waiters


@pytest.fixture
def public(monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")


# -- sessions


def test_a_session_ends_when_its_connection_is_gone_for_long_and_never_before():
    connected, time, ended = {"one", "two"}, [0.0], []
    watch = SessionWatch(lambda session: session in connected, lambda: time[0])
    watch.listeners.append(ended.append)
    watch.note("one", ("alice", "her cookie"))
    watch.note("two", ("bob",))
    connected.remove("one")
    watch.look()
    time[0] = GRACE_SECONDS - 1
    watch.look()
    assert not ended and watch.is_alive("one") and watch.is_present("alice")
    connected.add("one")  # it came back
    watch.look()
    connected.remove("one")
    time[0] += GRACE_SECONDS - 1
    watch.look()
    assert not ended
    time[0] += GRACE_SECONDS
    watch.look()
    watch.look()
    assert ended == ["one"] and not watch.is_alive("one") and watch.is_alive("two")
    assert not watch.is_present("her cookie") and watch.is_present("bob")


def test_a_session_is_lost_when_it_cannot_come_back_and_its_jobs_are_dropped_only_then():
    connected, time, ended, lost = set(), [0.0], [], []
    watch = SessionWatch(lambda session: session in connected, lambda: time[0])
    watch.listeners.append(ended.append)
    watch.loss_listeners.append(lost.append)

    def look(seconds):
        time[0] += seconds
        watch.look()

    watch.note("one", ("alice",))
    look(0)
    look(GRACE_SECONDS)
    assert ended == ["one"] and not lost
    connected.add("one")  # Streamlit resumes it
    look(read_resume_seconds())
    watch.note("one", ("alice",))
    connected.remove("one")
    look(0)
    look(read_resume_seconds())
    assert ended == ["one", "one"] and not lost
    look(1)
    look(read_resume_seconds())
    assert lost == ["one"] and not watch.missed
    drop = get_job_registry().drop_session
    assert drop in session_watch.loss_listeners and drop not in session_watch.listeners


def test_a_visitor_stays_for_as_long_as_one_of_their_sessions_does():
    connected, time = {"new"}, [0.0]
    watch = SessionWatch(lambda session: session in connected, lambda: time[0])
    for session in ("old", "new"):
        watch.note(session, ("alice",))
    watch.look()
    time[0] = 2 * GRACE_SECONDS
    watch.look()
    assert not watch.is_alive("old") and watch.is_present("alice")


def test_every_page_notes_its_session(open_page, visit_as):
    alice = visit_as("alice").owner
    open_page("evidence.py")
    assert session_watch.is_present(alice)


# -- jobs


def start_jobs(registry, owner, count, go_on, session="session"):
    for i in range(count):
        call = lambda: go_on.wait(300)  # noqa: E731
        registry.start(f"{owner}-{session}-{i}", call, JobStarter(session, owner))


def test_a_visitor_has_so_many_jobs_at_a_time_and_others_have_theirs(public):
    registry, go_on = JobRegistry(), threading.Event()
    try:
        start_jobs(registry, "alice", VISITOR_JOBS, go_on)
        registry.drop_session("session")  # leaving makes no room: the threads go on
        with pytest.raises(AecoreError, match="tasks of yours are running"):
            start_jobs(registry, "alice", 1, go_on, "another")
        for i in range(1, MAX_JOBS // VISITOR_JOBS):
            start_jobs(registry, f"visitor {i}", VISITOR_JOBS, go_on)
        with pytest.raises(AecoreError, match="busy with other visitors' tasks"):
            start_jobs(registry, "mallory", 1, go_on)
    finally:
        go_on.set()
    wait_for(lambda: not registry.working, "the threads end")
    start_jobs(registry, "alice", 1, go_on)


def test_what_the_jobs_of_an_ended_session_return_is_dropped(public):
    registry, go_on = JobRegistry(), threading.Event()
    registry.start("done", lambda: b"a large file", JobStarter("ended"))
    wait_for(lambda: not registry.working, "the thread ends")
    registry.start("running", lambda: go_on.wait(300) and b"another", JobStarter("ended"))
    registry.start("other", lambda: go_on.wait(300), JobStarter("there"))
    registry.drop_session("ended")
    assert registry.outcomes == {"other": RUNNING}
    go_on.set()
    wait_for(lambda: not registry.working, "the threads end")
    assert registry.look("running") == IDLE and registry.take("other").result is True
    assert not registry.outcomes and not registry.starters


# -- slow maps


@pytest.fixture
def shown_map(trained, visit_as, no_shipped):
    """A published run, and a map of it that waits behind another for as long as the test."""
    run = trained()
    claim_folder(run.path, visit_as("alice").owner, published=True)
    count = len(load_dataset(run.config().data).test.x)
    job = ProjectionJob(run, "tsne", 2, "test", count, "digits", version=run.version())
    with open(projection_queue_file(), "ab") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield job
        job.cancel()


def leave_all(monkeypatch):
    """As if every visitor had left: what the watch does when their sessions have ended."""
    monkeypatch.setattr(session_watch, "visitors", {})
    map_waiters.end_left()


def test_a_map_ends_with_the_visitor_who_started_it(open_page, shown_map, monkeypatch):
    app = open_page("latent.py", map="t-SNE")
    assert "At most 3 minutes of the processor; it ends when you leave." in read_texts(app)
    find_button(app, "Compute t-SNE").click().run()
    assert not app.exception and shown_map.is_running()
    map_waiters.end_left()
    assert shown_map.is_running()
    leave_all(monkeypatch)
    wait_for(lambda: not shown_map.is_running(), "it ends")
    assert shown_map.failure() is None and not map_waiters.owners


def test_a_map_goes_on_for_another_who_waits_and_is_not_theirs_to_cancel(
    open_page, shown_map, visit_as, monkeypatch
):
    find_button(open_page("latent.py", map="t-SNE"), "Compute t-SNE").click().run()
    visit_as("bob")
    app = open_page("latent.py", map="t-SNE")
    assert not app.exception and not [b for b in app.button if b.label == "Cancel"]
    map_waiters.end_left()  # the page notes one session: alice has left now
    assert shown_map.is_running()
    assert find_button(app.run(), "Cancel")  # it is his now
    leave_all(monkeypatch)
    wait_for(lambda: not shown_map.is_running(), "it ends")


def test_a_map_that_two_visitors_wait_for_ends_when_both_have_cancelled(
    open_page, shown_map, visit_as
):
    alice = open_page("latent.py", map="t-SNE")
    find_button(alice, "Compute t-SNE").click().run()
    visit_as("bob")
    bob = open_page("latent.py", map="t-SNE")
    visit_as("alice")
    find_button(alice, "Cancel").click().run()
    alice.run()  # her page looks how far it is
    assert shown_map.is_running() and not [b for b in alice.button if b.label == "Cancel"]
    visit_as("bob")
    find_button(bob.run(), "Cancel").click().run()
    wait_for(lambda: not shown_map.is_running(), "it ends")


def test_a_visitor_has_one_slow_map_at_a_time(open_page, shown_map):
    find_button(open_page("latent.py", map="t-SNE"), "Compute t-SNE").click().run()
    app = open_page("latent.py", map="UMAP")
    find_button(app, "Compute UMAP").click().run()
    assert app.toast[0].value == "Another map of yours is being made. Wait for it, or cancel it."
    assert find_button(app, "Compute UMAP") and shown_map.is_running()


def test_at_home_a_map_outlives_the_page_that_started_it(open_page, shown_map, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "0")
    find_button(open_page("latent.py", map="t-SNE"), "Compute t-SNE").click().run()
    leave_all(monkeypatch)
    assert shown_map.is_running()
