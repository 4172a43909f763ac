"""The progress of libraries that only print it: read from their output, which is then dropped."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from aecore.progress import is_progress_wanted, report_share


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
