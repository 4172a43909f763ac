"""Bars for what a page's script or a thread computes: its share, and the time that is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from aecore.progress import ShareClock, listen_to_progress

BAR_AFTER, REDRAW_SECONDS = 0.5, 0.2  # since the beginning, and between two drawings


def draw_job_bar(message: str, clock: ShareClock | None) -> None:
    """Show a bar at the share of a job, with a message; an empty one where it reports none."""
    share = clock.share if clock else None
    icon = "" if share is not None else ":material/hourglass_top: "
    text = clock.describe(message) if clock else message
    st.progress(min(1.0, share or 0.0), text=f"{icon}{text}")


@contextmanager
def show_share(message: str) -> Iterator[None]:
    """Show a spinner, and a bar as soon as what is computed within reports how far it is."""
    slot, clock, over = st.empty(), ShareClock(), threading.Event()
    artist = threading.Thread(target=draw_until, args=(over, slot, clock, message), daemon=True)
    add_script_run_ctx(artist, get_script_run_ctx())
    artist.start()
    try:
        with listen_to_progress(clock.note), st.spinner(message):
            yield
    finally:
        over.set()
        artist.join()
        slot.empty()


def draw_until(
    over: threading.Event, slot: DeltaGenerator, clock: ShareClock, message: str
) -> None:
    """Draw a share again and again until it is over.

    It is a thread's work: what the script's own thread draws would end the computation at a click.
    """
    pause = BAR_AFTER
    while not over.wait(pause):
        pause = REDRAW_SECONDS
        if clock.share is not None:
            slot.progress(min(1.0, clock.share), text=clock.describe(message))
