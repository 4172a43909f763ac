"""Bars for what a page's script or a thread computes: its share, and the time that is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator_singletons import get_dg_singleton_instance
from streamlit.errors import NoSessionContext
from streamlit.proto.Element_pb2 import Element
from streamlit.runtime.scriptrunner import add_script_run_ctx, enqueue_message, get_script_run_ctx

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
    clock, over = ShareClock(), threading.Event()
    try:
        bar = PassingBar()
    except NoSessionContext:  # of a thread that draws no page
        yield
        return
    artist = threading.Thread(target=draw_until, args=(over, bar, clock, message), daemon=True)
    add_script_run_ctx(artist, get_script_run_ctx())
    artist.start()
    try:
        with listen_to_progress(clock.note), st.spinner(message):
            yield
    finally:
        over.set()
        artist.join()
        bar.clear()


class PassingBar:
    """A bar that takes no place among the elements of a page, as Streamlit's own spinner.

    An element that is there in one run of the page and not in the next would move all that follow,
    and the browser would build them anew: a map would lose its selection.
    """

    def __init__(self) -> None:
        self.element = Element()
        main = get_dg_singleton_instance().main_dg
        self.make_message, self.make_end = main._transient(self.element)

    def draw(self, share: float, text: str) -> None:
        """Show the bar, or move it."""
        self.element.progress.value = round(100 * min(1.0, share))
        self.element.progress.text = text
        enqueue_message(self.make_message())

    def clear(self) -> None:
        """Take the bar away."""
        enqueue_message(self.make_end())


def draw_until(over: threading.Event, bar: PassingBar, clock: ShareClock, message: str) -> None:
    """Draw a share again and again until it is over.

    It is a thread's work: what the script's own thread draws would end the computation at a click.
    """
    pause = BAR_AFTER
    while not over.wait(pause):
        pause = REDRAW_SECONDS
        if clock.share is not None:
            bar.draw(clock.share, clock.describe(message))
