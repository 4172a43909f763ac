"""A part of the harness: a name, what it tries, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Outcome:
    """What a part tried: every case is counted once, and a broken one says what happened."""

    tried: int = 0
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # of verdicts, for the report
    notes: list[str] = field(default_factory=list)  # figures, a sentence each
    peaks: dict[str, float] = field(default_factory=dict)  # the greatest of figures, by their unit

    def add(self, verdict: str, fault: str = "") -> None:
        """Counts a case; a fault makes it a broken one."""
        self.tried += 1
        self.counts[verdict] += 1
        if fault:
            self.broken.append(fault)

    def see_peak(self, unit: str, value: float) -> None:
        """Keeps the greatest value of a figure, such as "s" or "GB of memory"."""
        self.peaks[unit] = max(self.peaks.get(unit, value), value)

    @property
    def summary(self) -> str:
        """The line that a part ends with."""
        return f"{self.tried} tried, {len(self.broken)} broken"


class Part(NamedTuple):
    """One part: `run` takes the seed, how many cases there are, and the first one's number."""

    name: str
    text: str  # what is tried, a sentence for the report
    whole: int  # cases of the whole part
    reduced: int  # cases in the reduced form
    run: Callable[[int, range], Outcome]


def print_outcome(name: str, outcome: Outcome) -> int:
    """Print what came of a part that runs by itself; returns the exit status."""
    print("\n".join([*outcome.notes, *(f"broken: {fault}" for fault in outcome.broken)]))
    print(f"{name}: {outcome.summary}")
    return int(bool(outcome.broken))
