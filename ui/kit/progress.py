"""Bars for what a page's script or a thread computes: its share, and the time that is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from aecore.progress import describe_progress, listen_to_progress

BAR_AFTER, REDRAW_SECONDS = 0.5, 0.2  # since the beginning, and between two drawings


class ShareClock:
    """How far a computation is, and since when it works. One thread writes, others may read."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.share: float | None = None  # None before it reports anything
        self.is_drawn = False

    def note(self, share: float) -> None:
        """Takes over a share."""
        self.share = share

    def describe(self, message: str) -> str:
        """Returns a message with the percentage and the time left, where they are known."""
        if self.share is None:
            return message
        text = describe_progress(self.share, time.monotonic() - self.began)
        return f"{message.removesuffix(' ...')}: {text}"


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
        if clock.is_drawn:
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
            clock.is_drawn = True
            slot.progress(min(1.0, clock.share), text=clock.describe(message))
