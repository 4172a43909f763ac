"""Which sessions, and so which visitors, are still there.

The router notes the session of every page (`note_session`); a thread of the server
(`watch_sessions`) looks again and again whose connection is gone. Browsers come back after a moment
without network, and a reloaded page is a new session, so one has ended only after GRACE_SECONDS.
Until Streamlit no longer resumes it, it may yet come back, with all that its pages kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

GRACE_SECONDS = 30.0
LOOK_SECONDS = 2.0

SessionListener = Callable[[str], object]


def get_session_id() -> str:
    """Returns the id of the session whose page is running; empty outside a page."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def read_resume_seconds() -> float:
    """Returns for how long Streamlit resumes a session whose connection is gone."""
    return max(GRACE_SECONDS, float(st.get_option("server.disconnectedSessionTTL")))


def is_connected(session_id: str) -> bool:
    """Returns True while a session's browser is connected, and where no server can be asked."""
    return not Runtime.exists() or Runtime.instance().is_active_session(session_id)


class SessionWatch:
    """The sessions that were noted, with the ids of their visitors."""

    def __init__(
        self,
        is_connected: Callable[[str], bool] = is_connected,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_connected, self.now = is_connected, now
        self.visitors: dict[str, tuple[str, ...]] = {}  # by session
        self.missed: dict[str, float] = {}  # sessions without a connection, and since when
        self.listeners: list[SessionListener] = []
        self.loss_listeners: list[SessionListener] = []
        self.guard = threading.Lock()

    def note(self, session_id: str, visitor_ids: tuple[str, ...]) -> None:
        """Remember a session, and who its visitor is now."""
        with self.guard:
            self.visitors[session_id] = visitor_ids

    def is_alive(self, session_id: str) -> bool:
        """Returns True for a session that was noted and has not ended."""
        return session_id in self.visitors

    def is_present(self, visitor_id: str) -> bool:
        """Returns True for a visitor with a session that has not ended."""
        with self.guard:
            return any(visitor_id in ids for ids in self.visitors.values())

    def find_owner(self, session_id: str) -> str:
        """Returns the first id of a session's visitor; empty at home and for unknown sessions."""
        return next(iter(self.visitors.get(session_id, ())), "")

    def look(self) -> None:
        """Forget the sessions that are without a connection for long, and tell the listeners."""
        ended, lost = self.collect_ended()
        for sessions, listeners in ((ended, self.listeners), (lost, self.loss_listeners)):
            for session_id in sessions:
                for listener in listeners:
                    listener(session_id)

    def collect_ended(self) -> tuple[list[str], list[str]]:
        """Returns the sessions that have ended since the last look, and those lost for good."""
        with self.guard:
            known, now = {**self.missed, **self.visitors}, self.now()
            gone = [one for one in known if not self.is_connected(one)]
            self.missed = {one: self.missed.get(one, now) for one in gone}
            away = {one: now - since for one, since in self.missed.items()}
            ended = [one for one in gone if away[one] >= GRACE_SECONDS and one in self.visitors]
            lost = [one for one in gone if away[one] > read_resume_seconds()]
            for session_id in ended:
                del self.visitors[session_id]
            for session_id in lost:
                del self.missed[session_id]
            return ended, lost


session_watch = SessionWatch()


def note_session(visitor_ids: tuple[str, ...]) -> None:
    """Remember the session of this page, and who its visitor is."""
    session_watch.note(get_session_id(), visitor_ids)


def is_session_alive(session_id: str) -> bool:
    """Returns True until a session that was noted has ended."""
    return session_watch.is_alive(session_id)


def is_visitor_present(visitor_id: str) -> bool:
    """Returns True for a visitor, by an id of theirs, who has a session that has not ended."""
    return session_watch.is_present(visitor_id)


def call_at_session_end(listener: SessionListener) -> None:
    """Let `listener(session_id)` be called, in a thread, whenever a session has ended."""
    session_watch.listeners.append(listener)


def call_at_session_loss(listener: SessionListener) -> None:
    """Let `listener(session_id)` be called when a session that has ended cannot come back."""
    session_watch.loss_listeners.append(listener)


def watch_sessions() -> None:
    """Look for sessions that have ended, for as long as the server lives."""
    while True:
        time.sleep(LOOK_SECONDS)
        session_watch.look()
