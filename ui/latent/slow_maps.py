"""Maps by t-SNE and UMAP, which a process of its own computes.

Among strangers a map is made for as long as somebody who waits for it is there, and each visitor
has one at a time.
"""

from __future__ import annotations

import threading

import streamlit as st

from aecore.analysis.printed_progress import find_share
from aecore.analysis.projection_job import ProjectionJob
from aecore.errors import AecoreError, RunError
from aecore.limits import is_public, read_limit
from ui.kit.messages import hide_folders, show_error, show_error_toast
from ui.kit.sessions import call_at_session_end, is_visitor_present
from ui.kit.visitor import get_visitor

MAP_POLL_SECONDS = 1.0
MAP_BAR_WIDTH = 460  # pixels
LEFT_KEY = "left-map"  # of the session state: the map that this session cancelled


class MapWaiters:
    """Which visitors wait for which maps on a public Space, the one who started it first."""

    def __init__(self) -> None:
        self.owners: dict[ProjectionJob, list[str]] = {}
        self.guard = threading.Lock()

    def start(self, job: ProjectionJob, owner: str) -> None:
        """Start the process of a map. RunError where the visitor has another one."""
        with self.guard:
            self.owners = {one: owners for one, owners in self.owners.items() if one.is_running()}
            if any(one != job and owners[0] == owner for one, owners in self.owners.items()):
                raise RunError("Another map of yours is being made. Wait for it, or cancel it.")
            job.start()
            self.owners.setdefault(job, [owner])

    def join(self, job: ProjectionJob, owner: str) -> None:
        """Let a visitor wait for a map that another one started."""
        with self.guard:
            owners = self.owners.setdefault(job, [])
            if owner not in owners:
                owners.append(owner)

    def may_cancel(self, job: ProjectionJob, owner: str) -> bool:
        """Returns True for the visitor who started a map."""
        return self.owners.get(job, [""])[0] == owner

    def leave(self, job: ProjectionJob, owner: str) -> None:
        """Let a visitor no longer wait for a map; it ends if nobody else does."""
        with self.guard:
            self.keep(job, [other for other in self.owners.get(job, []) if other != owner])

    def end_left(self, session_id: str = "") -> None:
        """End the maps for which nobody waits who is still there."""
        with self.guard:
            for job, owners in list(self.owners.items()):
                self.keep(job, [owner for owner in owners if is_visitor_present(owner)])

    def keep(self, job: ProjectionJob, owners: list[str]) -> None:
        """Let these visitors wait for a map; without any, it ends."""
        if owners:
            self.owners[job] = owners
        else:
            self.owners.pop(job, None)
            job.cancel()


map_waiters = MapWaiters()
call_at_session_end(map_waiters.end_left)


def offer_slow_map(job: ProjectionJob, label: str) -> None:
    """Show a button that starts the process of a slow map, or how far it is, or why it failed."""
    if job.is_running():
        st.fragment(watch_slow_map, run_every=MAP_POLL_SECONDS)(job, label)
        return
    if st.session_state.get(LEFT_KEY) == job:
        del st.session_state[LEFT_KEY]
    if failure := job.failure():
        show_error(f"The {label} map failed. {failure}")
        with st.expander("What the process printed", icon=":material/terminal:"):
            st.code(hide_folders("\n".join(job.tail())), language=None)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        f"Compute {label} of {job.count:,} points",
        icon=":material/play_arrow:",
        type="primary",
        on_click=start_slow_map,
        args=(job,),
        key="start_map",
    )
    row.caption(describe_slow_map())


def describe_slow_map() -> str:
    """Returns what a visitor is to know before a slow map is started."""
    text = "It runs beside this page and is kept; until then the map is PCA."
    if not is_public():
        return text
    minutes = read_limit("map_minutes")
    return f"{text} At most {minutes:g} minutes of the processor; it ends when you leave."


def start_slow_map(job: ProjectionJob) -> None:
    """Start the process; an error is shown as a toast."""
    try:
        if is_public():
            map_waiters.start(job, get_visitor().owner)
        else:
            job.start()
    except AecoreError as error:
        show_error_toast(error)


def cancel_slow_map(job: ProjectionJob) -> None:
    """End the process, unless other visitors wait for the map, too."""
    if is_public():
        st.session_state[LEFT_KEY] = job
        map_waiters.leave(job, get_visitor().owner)
    else:
        job.cancel()


def watch_slow_map(job: ProjectionJob, label: str) -> None:
    """Show how far the process is; draw the page anew when it has ended."""
    if not job.is_running():
        st.rerun()
    is_own = True
    if is_public():
        if st.session_state.get(LEFT_KEY) != job:  # others may wait for it: it goes on for them
            map_waiters.join(job, get_visitor().owner)
        is_own = map_waiters.may_cancel(job, get_visitor().owner)
    row = st.container(horizontal=True, vertical_alignment="center")
    step = job.step()
    row.progress(
        find_share(step) or 0.0,
        text=f"{label} of {job.count:,} points: {step.lower()}",
        width=MAP_BAR_WIDTH,
    )
    if is_own:
        row.button(
            "Cancel",
            icon=":material/close:",
            on_click=cancel_slow_map,
            args=(job,),
            key="cancel_map",
        )
    st.caption("Until it is ready the map is PCA.")
