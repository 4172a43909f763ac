"""How far a long computation is: loops count, and whoever shows a bar listens.

A loop is wrapped in `track_progress`; loops within it count as parts of its items. Without a
listener it costs nothing. Every estimate of the time left comes from `estimate_seconds_left`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")
ShareListener = Callable[[float], object]  # is told the share that is done, 0 to 1
LEAST_SHARE = 0.02  # of a computation, before which its pace is a guess

_listener: ContextVar[ShareListener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listen_to_progress(listener: ShareListener | None) -> Iterator[None]:
    """Tells `listener` how far what is computed within is; None hears nothing."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def get_progress_listener() -> ShareListener | None:
    """Returns who listens, for work that goes on in other threads."""
    return _listener.get()


def is_progress_wanted() -> bool:
    """Returns True where somebody listens."""
    return _listener.get() is not None


def report_share(share: float) -> None:
    """Tells who listens, if anybody, which share is done."""
    if listener := _listener.get():
        listener(share)


def track_progress(items: Sequence[Item]) -> Iterator[Item]:
    """Yields the items, and reports the share of them that is done.

    What is reported while one is worked on counts as a part of it.
    """
    listener, total = _listener.get(), len(items)
    if listener is None:
        yield from items
        return
    part = listener
    try:
        for i, item in enumerate(items):
            part = _make_part_listener(listener, i, total)
            _listener.set(part)
            yield item
            listener((i + 1) / total)
    finally:
        if _listener.get() is part:  # else an abandoned loop ends later, where others listen
            _listener.set(listener)


@contextmanager
def progress_part(start: float, end: float) -> Iterator[None]:
    """Counts what is computed within as the part of the whole from one share to another."""
    listener = _listener.get()

    def report_part(share: float) -> None:
        if listener:
            listener(start + (end - start) * share)

    with listen_to_progress(report_part if listener else None):
        yield
    report_share(end)


def run_parts(*calls: Callable[[], Any]) -> list[Any]:
    """Calls one after the other, each an equal part of the progress; returns their results."""
    return [call() for call in track_progress(calls)]


def _make_part_listener(listener: ShareListener, i: int, total: int) -> ShareListener:
    return lambda share: listener((i + share) / total)


def estimate_seconds_left(done: float, total: float, elapsed: float) -> float | None:
    """Returns the seconds that the rest takes at the pace so far.

    `done` of `total` took `elapsed` seconds. None where nothing is done yet.
    """
    if done <= 0 or elapsed <= 0:
        return None
    return max(0.0, total - done) * elapsed / done


def format_duration(seconds: float) -> str:
    """Returns a duration for people, in one or two units: `8 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours:,} h {rest} min" if rest and hours < 24 else f"{hours:,} h"


class ShareClock:
    """How far a computation is, and how long it still takes; threads may share it.

    The pace is taken from the first report on: what came before it was getting ready.
    """

    def __init__(self) -> None:
        self.share: float | None = None  # None before it reports anything
        self.first_share, self.first_time = 0.0, 0.0

    def note(self, share: float) -> None:
        """Takes over a share; one that is smaller than the first begins anew."""
        if self.share is None or share < self.first_share:
            self.first_share, self.first_time = share, time.monotonic()
        self.share = share

    def describe(self, message: str) -> str:
        """Returns `Encoding: 35 %, about 12 s left`, as far as that can be told."""
        if self.share is None:
            return message
        done, elapsed = self.share - self.first_share, time.monotonic() - self.first_time
        text = describe_progress(self.share, done, elapsed)
        return f"{message.removesuffix(' ...')}: {text}"


def describe_progress(share: float, done: float, elapsed: float) -> str:
    """Returns `35 %, about 12 s left`, without the second half where that cannot be told yet.

    `share` is done, of which `done` took `elapsed` seconds.
    """
    is_early = done < LEAST_SHARE or share >= 1
    left = None if is_early else estimate_seconds_left(done, done + 1 - share, elapsed)
    text = f"{min(share, 1.0):.0%}".replace("%", " %")
    return text if left is None else f"{text}, about {format_duration(left)} left"
