"""Progress as lines of text: how a process tells its page, and how libraries tell their users.

Only the standard library is imported: a process that waits for its turn stays small.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from aecore.progress import (
    ShareClock,
    is_progress_wanted,
    listen_to_progress,
    report_share,
)

STEP_PREFIX = "> "  # of a line that says what a process does now


def print_step(step: str, stream: TextIO | None = None) -> None:
    """Prints what is done now, for the page, to standard output or another stream."""
    stream = stream or sys.stdout
    stream.write(f"{STEP_PREFIX}{step}\n")
    stream.flush()


@contextmanager
def print_shares(step: str) -> Iterator[None]:
    """Prints a step, and again with each per cent of it that is done."""
    print_step(step)
    stream = sys.stdout  # of this process: a library's output is read from another meanwhile
    clock, printed = ShareClock(), 0

    def print_share(share: float) -> None:
        nonlocal printed
        clock.note(share)
        if int(100 * share) > printed:
            printed = int(100 * share)
            print_step(clock.describe(step), stream)

    with listen_to_progress(print_share):
        yield


def find_share(step: str) -> float | None:
    """Returns the share in a step as it was printed; None where it has none."""
    match = re.search(r": (\d{1,3}) %", step)
    return min(1.0, int(match[1]) / 100) if match else None


# -- what libraries print


class ProgressReader(io.TextIOBase):
    """A stream that reports the number which a pattern finds, as a share of `total`."""

    def __init__(self, pattern: str, total: float):
        self.pattern, self.total = re.compile(pattern), total

    def write(self, text: str) -> int:
        for number in self.pattern.findall(text):
            report_share(min(1.0, float(number) / self.total))
        return len(text)


@contextmanager
def hear_printed_progress(pattern: str, total: float) -> Iterator[None]:
    """Reports what is printed within of the form `pattern`, a number of `total`.

    Where nobody listens, nothing is changed: the streams belong to the whole process, so this is
    for processes of their own.
    """
    if not is_progress_wanted():
        yield
        return
    reader = ProgressReader(pattern, total)
    with redirect_stdout(reader), redirect_stderr(reader):
        yield
