"""Room on the disk: how much each owner has, what is about to be written, and refusals in time.

The counts are of one process; another server on the same folder is seen when it is measured anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aecore.errors import StorageError
from aecore.limits import read_limit
from aecore.runs.keeping import list_things, sweep_absent
from aecore.runs.listing import runs_folder
from aecore.runs.ownership import Visitor

MEASURE_SECONDS = 10.0  # for which a measurement counts, unless something is to be refused
MEGABYTE = 10**6


class Ledger:
    """The bytes of every owner: on the disk when it was last measured, and written since."""

    def __init__(self) -> None:
        self.guard, self.measuring = threading.Lock(), threading.Lock()
        self.folder = Path()  # that was measured
        self.measured_at = -math.inf  # by the monotonic clock
        self.kept: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()  # of what is being written
        self.written: Counter[str] = Counter()  # of what was written since the measurement

    def measure(self) -> None:
        """Measures what is on the disk now."""
        with self.measuring:
            with self.guard:
                seen = self.written.copy()  # is on the disk already
            kept: Counter[str] = Counter()
            for thing in list_things():
                kept[thing.record.owner] += thing.expected_size()
            with self.guard:
                self.kept = kept
                self.written -= seen
                self.folder, self.measured_at = runs_folder(), time.monotonic()

    def measure_if_old(self) -> None:
        """Measures anew where the last measurement counts no more."""
        is_recent = time.monotonic() - self.measured_at < MEASURE_SECONDS
        if not is_recent or self.folder != runs_folder():
            self.measure()

    def forget_measurement(self) -> None:
        """Lets the next question measure anew: something was deleted."""
        self.measured_at = -math.inf

    def reserve(self, visitor: Visitor, size: int) -> None:
        """Counts bytes that a visitor is about to write.

        Raises StorageError where there is no room for them, after what may be swept was swept.
        """
        if not has_storage_limit():
            return
        self.measure_if_old()
        if not self.try_reserve(visitor, size):
            return
        sweep_absent()
        self.measure()
        if problem := self.try_reserve(visitor, size):
            raise StorageError(problem)

    def try_reserve(self, visitor: Visitor, size: int) -> str:
        """Counts the bytes; returns why they have no room, and counts nothing, where they have."""
        with self.guard:
            used, total = self.sum_used(visitor)
            if used + size > read_limit("visitor_mb") * MEGABYTE:
                return explain_own_limit(used, size)
            if total + size > read_limit("kept_mb") * MEGABYTE:
                return explain_whole_limit(total, size)
            self.reserved[visitor.owner] += size
            return ""

    def release(self, visitor: Visitor, size: int, is_written: bool) -> None:
        """Ends a reservation: its bytes are on the disk now, or will not be."""
        with self.guard:
            self.reserved[visitor.owner] -= size
            if is_written:
                self.written[visitor.owner] += size

    def sum_used(self, visitor: Visitor) -> tuple[int, int]:
        """Returns the bytes of a visitor and of all, which the operator's own are not among."""
        counted = self.kept + self.reserved + self.written
        used = sum(counted[owner] for owner in visitor.ids or ("",))
        return used, sum(size for owner, size in counted.items() if owner or not visitor.ids)

    def read_room(self, visitor: Visitor) -> float:
        """Returns how many bytes more a visitor may keep; infinite where there is no limit."""
        if not has_storage_limit():
            return math.inf
        self.measure_if_old()
        with self.guard:
            used, total = self.sum_used(visitor)
        own_room = read_limit("visitor_mb") * MEGABYTE - used
        return max(0.0, min(own_room, read_limit("kept_mb") * MEGABYTE - total))


ledger = Ledger()


class Reservation:
    """Room for what one visitor is writing."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.size = visitor, 0

    def take(self, size: int) -> None:
        """Reserves more bytes; StorageError where there is no room for them."""
        ledger.reserve(self.visitor, size)
        self.size += size


@contextmanager
def reserve_storage(visitor: Visitor, size: int = 0) -> Iterator[Reservation]:
    """Holds room on the disk for what is written in the block, and for more as it is taken.

    StorageError where there is none.
    """
    reservation, is_written = Reservation(visitor), False
    try:
        reservation.take(size)
        yield reservation
        is_written = True
    finally:
        if has_storage_limit():
            ledger.release(visitor, reservation.size, is_written)


def has_storage_limit() -> bool:
    """Returns True where bytes on the disk are limited at all."""
    return not math.isinf(min(read_limit("visitor_mb"), read_limit("kept_mb")))


def explain_own_limit(used: int, size: int) -> str:
    """Returns the sentence for more than one visitor may keep."""
    limit = int(read_limit("visitor_mb") * MEGABYTE)
    advice = "Delete something on the page My things." if size <= limit else "Make it smaller."
    return (
        f"There is no room for {format_bytes(size)} more: you use {format_bytes(used)} of "
        f"{format_bytes(limit)}. {advice}"
    )


def explain_whole_limit(used: int, size: int) -> str:
    """Returns the sentence for more than all visitors together may keep."""
    limit = int(read_limit("kept_mb") * MEGABYTE)
    return (
        f"There is no room for {format_bytes(size)} more: all visitors together use "
        f"{format_bytes(used)} of {format_bytes(limit)}. Delete something on the page My things, "
        "or come back later."
    )


def format_bytes(size: float) -> str:
    """Returns bytes in kB, MB or GB, for people."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            value = size / unit
            return f"{value:,.0f} {name}" if value >= 100 else f"{value:.3g} {name}"
    return f"{size / 1000:.0f} kB"
