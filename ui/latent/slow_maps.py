"""Maps by t-SNE and UMAP, which a process of its own computes."""

from __future__ import annotations

import streamlit as st

from aecore.analysis.projection_job import ProjectionJob
from aecore.errors import AecoreError
from ui.kit.messages import hide_folders, show_error, show_error_toast

MAP_POLL_SECONDS = 1.0


def offer_slow_map(job: ProjectionJob, label: str) -> None:
    """Show a button that starts the process of a slow map, or how far it is, or why it failed."""
    if job.is_running():
        st.fragment(watch_slow_map, run_every=MAP_POLL_SECONDS)(job, label)
        return
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
    row.caption("It runs beside this page and is kept; until then the map is PCA.")


def start_slow_map(job: ProjectionJob) -> None:
    """Start the process; an error is shown as a toast."""
    try:
        job.start()
    except AecoreError as error:
        show_error_toast(error)


def watch_slow_map(job: ProjectionJob, label: str) -> None:
    """Show how far the process is; draw the page anew when it has ended."""
    if not job.is_running():
        st.rerun()
    row = st.container(horizontal=True, vertical_alignment="center")
    row.status(
        f"{label} of {job.count:,} points: {job.step().lower()}, {job.seconds():.0f} s", width=460
    )
    row.button("Cancel", icon=":material/close:", on_click=job.cancel, key="cancel_map")
    st.caption("Until it is ready the map is PCA.")
