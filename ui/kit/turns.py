"""A few pages are made at a time, and whoever has used the server least comes next.

Python computes in one thread at a time: fifty pages that are made together all take fifty times as
long. In turns most visitors wait for a moment, and one who opens the heaviest pages in ten tabs
waits for his own.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

LONG_SECONDS = 3.0  # after which a page counts no longer: it may be waiting for something
MEMORY_SECONDS = 20.0  # after which a third of what a visitor used is left in his account
FORGOTTEN_SECONDS = 0.01


@dataclass
class Turn:
    """One making of a page: who it is for, since when it is asked for, and since when under way."""

    visitor: str
    asked: float
    started: float = math.inf  # infinite while it waits


@dataclass
class Account:
    """The seconds of pages that a visitor used lately, as of a moment."""

    seconds: float
    moment: float

    def read(self, now: float) -> float:
        """Returns what is left of the seconds by now."""
        return self.seconds * math.exp((self.moment - now) / MEMORY_SECONDS)


@dataclass
class Turns:
    """Who makes a page, who waits, and who has used how much.

    `at_once` pages are made at a time, and one more for each that takes long.
    """

    at_once: int
    turns: list[Turn] = field(default_factory=list)  # in the order in which they came
    accounts: dict[str, Account] = field(default_factory=dict)
    announced: int = 0  # pages whose scripts run, also while they wait for imports
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def take(self, visitor: str) -> Iterator[None]:
        """Waits for a turn, and holds it within the block."""
        turn = Turn(visitor, time.monotonic())
        try:
            with self.changed:
                self.turns.append(turn)
                while not self.is_next(turn, time.monotonic()):
                    self.changed.wait(LONG_SECONDS / 2)
                turn.started = time.monotonic()
                self.changed.notify_all()  # there may be room for one more
            yield
        finally:
            with self.changed:
                self.turns.remove(turn)
                self.charge(turn, time.monotonic())
                self.changed.notify_all()

    @contextmanager
    def announce_page(self) -> Iterator[None]:
        """Counts a page within the block, which begins before it can ask for a turn."""
        with self.changed:
            self.announced += 1
        try:
            yield
        finally:
            with self.changed:
                self.announced -= 1
                self.changed.notify_all()

    def wait_for_quiet(self) -> None:
        """Waits until no page is announced."""
        with self.changed:
            self.changed.wait_for(lambda: not self.announced)

    def is_next(self, turn: Turn, now: float) -> bool:
        """Returns True where there is room, and nobody waits who has used less or waits longer."""
        running = [other for other in self.turns if other.started <= now]
        if sum(now - other.started < LONG_SECONDS for other in running) >= self.at_once:
            return False
        waiting = [other for other in self.turns if other.started == math.inf]
        return turn is min(waiting, key=lambda other: self.rank(other, running, now))

    def rank(self, turn: Turn, running: Sequence[Turn], now: float) -> tuple[int, float]:
        """Returns what the next turn has least of: pages being made for its visitor, then seconds
        that the visitor used lately, less those that the turn has waited.
        """
        account = self.accounts.get(turn.visitor)
        used = account.read(now) if account else 0.0
        return sum(other.visitor == turn.visitor for other in running), used + turn.asked - now

    def charge(self, turn: Turn, now: float) -> None:
        """Adds the seconds of a turn to its visitor's account, and forgets empty accounts."""
        used = max(0.0, now - turn.started)
        if account := self.accounts.get(turn.visitor):
            used += account.read(now)
        self.accounts[turn.visitor] = Account(used, now)
        for visitor, account in list(self.accounts.items()):
            if account.read(now) < FORGOTTEN_SECONDS:
                del self.accounts[visitor]


TURNS = Turns(1 + (os.cpu_count() or 1))
