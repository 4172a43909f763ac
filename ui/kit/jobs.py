"""Long calls of a page that are not training: each runs in a thread while the page looks again.

A job belongs to the session that started it, under a name: no visitor sees another's. A page starts
it with `start_job` and calls `poll_job` wherever its outcome is shown:

    if st.button("Fetch"):
        start_job("fetch", lambda: fetch(url))
    outcome = poll_job("fetch", "Fetching ...")
    if outcome.state == "done":
        st.write(outcome.result)

What a job returns stays with its session, so it is small: bytes belong into `ui.kit.memory`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import streamlit as st

from aecore.errors import AecoreError
from aecore.limits import is_public
from aecore.progress import ShareClock, listen_to_progress
from ui.kit.messages import show_error
from ui.kit.progress import draw_job_bar
from ui.kit.sessions import call_at_session_loss, get_session_id, session_watch

POLL_SECONDS = 1.0
VISITOR_JOBS, MAX_JOBS = 4, 16  # that run at a time on a public Space, of one visitor and of all
SESSION_KEY = "visitor"  # of the session state: the name of this session in the registry
RERUN_KEY, NEXT_RERUN_KEY = "is-rerun-by-job", "is-next-rerun-by-job"  # of the session state
DRAWN_KEY = "jobs-drawn-as-running"  # of the session state: names that this run has asked for


class BusyError(AecoreError):
    """Too many jobs are running."""


class JobOutcome(NamedTuple):
    """How far a job is, and what came of it."""

    state: Literal["idle", "running", "done", "failed"]
    result: Any = None  # of a job that is done; its type is that of the call
    error: AecoreError | None = None


IDLE, RUNNING = JobOutcome("idle"), JobOutcome("running")


# -- for pages


def start_job(name: str, call: Callable[[], Any]) -> None:
    """Run `call` in a thread, unless a job of that name is running; forget its last outcome.

    The job fails at once where too many are running.
    """
    forget_jobs([name])
    session_id = get_session_id()
    starter = JobStarter(session_id, session_watch.find_owner(session_id))
    try:
        get_job_registry().start(make_job_key(name), call, starter)
    except AecoreError as error:
        st.session_state[f"result-{name}"] = JobOutcome("failed", error=error)


def is_job_running(name: str) -> bool:
    """Returns True while this session's job of that name runs.

    A page that draws something by this answer calls `poll_job` below it, which sees to it that what
    was drawn does not outlast the job.
    """
    is_running = get_job_registry().is_running(make_job_key(name))
    if is_running:
        st.session_state.setdefault(DRAWN_KEY, set()).add(name)
    return is_running


def poll_job(name: str, message: str, seconds: float = POLL_SECONDS) -> JobOutcome:
    """Returns the outcome of a job; shows its error, or how far it is, and then looks again.

    While it runs, a bar with the message is drawn, unless that is empty. It moves where the call
    reports its progress (`aecore.progress`), and the page is run once more when it ends, also where
    it has ended since this run of the page asked `is_job_running`. The outcome of a job that has
    ended is kept for the session, until `start_job` or `forget_jobs`.
    """
    outcome = read_job_outcome(name)
    is_drawn_as_running = name in st.session_state.get(DRAWN_KEY, ())
    st.session_state.get(DRAWN_KEY, set()).discard(name)
    if outcome.state == "running":
        st.fragment(lambda: wait_for_job(name, message), run_every=seconds)()
    elif is_drawn_as_running:
        rerun_by_job()
    elif outcome.error:
        show_error(outcome.error)
    return outcome


def read_job_outcome(name: str) -> JobOutcome:
    """Returns the outcome of a job, without showing anything."""
    registry, key = get_job_registry(), make_job_key(name)
    outcome = registry.look(key)
    if outcome.state == "running":
        return RUNNING
    if outcome.state != "idle":  # kept before it is taken: a click may end this run between the two
        st.session_state[f"result-{name}"] = outcome
        registry.take(key)
    return st.session_state.get(f"result-{name}", IDLE)


def forget_jobs(names: Iterable[str]) -> None:
    """Forget the kept outcomes of these jobs."""
    for name in names:
        st.session_state.pop(f"result-{name}", None)


def drop_jobs(names: Iterable[str]) -> None:
    """Forget these jobs, also what those of them that are running will return."""
    names = list(names)
    keys = [make_job_key(name) for name in names]
    forget_jobs(names)
    get_job_registry().drop(keys)


def has_room_for_job() -> bool:
    """Returns False where a job that this visitor started now would be refused."""
    return get_job_registry().has_room(session_watch.find_owner(get_session_id()))


def wait_for_job(name: str, message: str) -> None:
    """Show how far a job is; run the page once more when it has ended."""
    if not get_job_registry().is_running(make_job_key(name)):
        rerun_by_job()
    if message:
        draw_job_bar(message, get_job_registry().clocks.get(make_job_key(name)))


def rerun_by_job() -> None:
    """Run the page once more, which its visitor did not ask for."""
    st.session_state[NEXT_RERUN_KEY] = True
    st.rerun()


def note_page_run() -> None:
    """Note whether this run of a page was asked for; to be called once where it begins."""
    st.session_state[RERUN_KEY] = st.session_state.pop(NEXT_RERUN_KEY, False)
    st.session_state.pop(DRAWN_KEY, None)


def is_rerun_by_job() -> bool:
    """Returns True where a page runs because a job has ended, and not because of a click."""
    return bool(st.session_state.get(RERUN_KEY))


def make_job_key(name: str) -> str:
    """Returns the name of a job with this session in it."""
    return f"{st.session_state.setdefault(SESSION_KEY, uuid.uuid4().hex)}-{name}"


# -- of the server


class JobStarter(NamedTuple):
    """Who started a job."""

    session_id: str = ""
    owner: str = ""  # the visitor; empty at home


class JobRegistry:
    """The jobs of all sessions by their keys, each in a thread; outcomes wait to be taken once.

    What a session that cannot come back would have taken is dropped.
    """

    def __init__(self) -> None:
        self.outcomes: dict[str, JobOutcome] = {}
        self.starters: dict[str, JobStarter] = {}  # of the outcomes
        self.clocks: dict[str, ShareClock] = {}  # of those that run
        self.working: list[str] = []  # whose each thread that works is, also of those who left
        self.guard = threading.Lock()

    def start(self, key: str, call: Callable[[], Any], starter: JobStarter | None = None) -> None:
        """Run `call` in a thread, unless a job of that key is running.

        BusyError where too many are running.
        """
        starter = starter or JobStarter()
        with self.guard:
            if self.is_running(key):
                return
            self.check_room(starter.owner)
            self.outcomes[key], self.starters[key] = RUNNING, starter
            self.clocks[key] = clock = ShareClock()
            self.working.append(starter.owner)
        threading.Thread(target=self.work, args=(key, call, starter, clock), daemon=True).start()

    def check_room(self, owner: str) -> None:
        """Raises BusyError where a visitor, or all of them, have as many jobs as may run."""
        if not is_public():
            return
        if self.working.count(owner) >= VISITOR_JOBS:
            raise BusyError(f"{VISITOR_JOBS} tasks of yours are running. Wait until one has ended.")
        if len(self.working) >= MAX_JOBS:
            raise BusyError("This server is busy with other visitors' tasks. Try again soon.")

    def has_room(self, owner: str) -> bool:
        """Returns whether a visitor may start a job now."""
        with self.guard:
            try:
                self.check_room(owner)
            except BusyError:
                return False
        return True

    def work(
        self, key: str, call: Callable[[], Any], starter: JobStarter, clock: ShareClock
    ) -> None:
        """Call, and keep the outcome if the session is still there."""
        try:
            with listen_to_progress(clock.note):
                outcome = JobOutcome("done", call())
        except AecoreError as error:
            error.__traceback__ = error.__cause__ = error.__context__ = None  # which hold results
            outcome = JobOutcome("failed", error=error)
        except Exception as error:  # a fault of ours must not leave the page waiting for ever
            text = f"That failed unexpectedly: {type(error).__name__}. Please report it."
            outcome = JobOutcome("failed", error=AecoreError(text))
        with self.guard:
            if self.clocks.get(key) is clock:
                del self.clocks[key]
            if self.starters.get(key) is starter:
                self.outcomes[key] = outcome
            self.working.remove(starter.owner)

    def look(self, key: str) -> JobOutcome:
        """Returns the outcome so far."""
        return self.outcomes.get(key, IDLE)

    def is_running(self, key: str) -> bool:
        """Returns True while a job runs."""
        return self.look(key).state == "running"

    def take(self, key: str) -> JobOutcome:
        """Returns the outcome of a job that has ended, once; idle before and after."""
        with self.guard:
            if self.is_running(key):
                return IDLE
            self.starters.pop(key, None)
            return self.outcomes.pop(key, IDLE)

    def drop(self, keys: Iterable[str]) -> None:
        """Drop the outcomes of jobs, also of those that are running."""
        with self.guard:
            for key in keys:
                self.starters.pop(key, None)
                self.outcomes.pop(key, None)

    def drop_session(self, session_id: str) -> None:
        """Drop the outcomes of a session that is lost, also of its jobs that are running."""
        with self.guard:
            keys = [key for key, one in self.starters.items() if one.session_id == session_id]
        self.drop(keys)


job_registry = JobRegistry()
call_at_session_loss(job_registry.drop_session)


def get_job_registry() -> JobRegistry:
    """Returns the registry of this server."""
    return job_registry
