"""Jobs that a page starts by itself, without a button, and of a run that trains again and again.

Of a run that trains, each result is shown before the next job begins, and that only at a click:
else weights that change faster than they are measured would never show anything, and the page
would never come to rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from aecore.errors import AecoreError, ConfigError, DataError, RoomError
from ui.kit.jobs import (
    POLL_SECONDS,
    BusyError,
    drop_jobs,
    has_room_for_job,
    is_rerun_by_job,
    poll_job,
    read_job_outcome,
    rerun_by_job,
    start_job,
)

PATIENCE = 0.3  # seconds in which kept results are there, and the page need not look again


class Measurement(NamedTuple):
    """A result that a page waits for: of which version of the weights, and whether it was shown."""

    version: Any  # of the weights
    result: Any = None
    is_shown: bool = False


def wait_for_measurement(
    name: str, version: Any, message: str, measure: Callable[[], Any]
) -> Measurement | None:
    """Return what `measure` returned in a thread; None, and show how far it is, until then.

    It may be of an earlier version. Where it failed, shows why, and a button that tries again if
    that can help; where too many jobs are running, tries again by itself.

    Args:
        name: What is measured, whatever its version.
        version: What it is measured of, now.
        message: Shown while the thread works.
        measure: What the thread calls. What it returns stays with the session, so it is small.
    """
    last: Measurement | None = st.session_state.get(make_measurement_key(name))
    if last is None or read_job_outcome(name).state == "idle" or is_outdated(last, version):
        st.session_state[make_measurement_key(name)] = last = Measurement(version)
        start_measuring(name, measure)
    outcome = poll_job(name, message)
    last = last._replace(is_shown=outcome.state in ("done", "failed"), result=outcome.result)
    st.session_state[make_measurement_key(name)] = last
    if isinstance(outcome.error, BusyError):
        forget_measurement(name)
        st.fragment(wait_for_room, run_every=POLL_SECONDS)()
    elif outcome.error and may_succeed_later(outcome.error):
        st.button(
            "Try again",
            icon=":material/refresh:",
            key=f"again-{name}",
            on_click=partial(forget_measurement, name),
        )
    return last if outcome.state == "done" else None


def is_outdated(last: Measurement, version: Any) -> bool:
    """Returns True where the visitor has seen a measurement, and asks for one of newer weights."""
    return last.is_shown and last.version != version and not is_rerun_by_job()


def may_succeed_later(error: AecoreError) -> bool:
    """Returns False for what is wrong with the data or options, and fails each time."""
    return isinstance(error, RoomError) or not isinstance(error, (DataError, ConfigError))


def start_measuring(name: str, measure: Callable[[], Any]) -> None:
    """Let a thread measure; wait for it for a moment."""
    is_over = threading.Event()

    def work() -> Any:
        try:
            return measure()
        finally:
            is_over.set()

    start_job(name, work)
    if read_job_outcome(name).state == "running":
        is_over.wait(PATIENCE)


def forget_measurement(name: str) -> None:
    """Forget what was measured: the next run of the page begins again."""
    st.session_state.pop(make_measurement_key(name), None)
    drop_jobs([name])


def make_measurement_key(name: str) -> str:
    """Returns where the session keeps a measurement."""
    return f"measurement-{name}"


def wait_for_room() -> None:
    """Run the page once more when a job can be started."""
    if has_room_for_job():
        rerun_by_job()
