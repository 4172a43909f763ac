"""A cache of small files that were parsed, each kept for as long as its file stays unchanged.

A page lists all runs at each of its script's runs, so every visitor's click would parse every
config again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")
MAX_FILES = 2000
# A file that changed less than this ago may change again without another time stamp
SETTLED_NS = 100_000_000


class FileCache(Generic[Value]):
    """The values of many files of one kind, each parsed anew only when its file has changed.

    What it returns is shared, and must not be changed.
    """

    def __init__(self, parse: Callable[[Path], Value], limit: int = MAX_FILES) -> None:
        self.parse, self.limit = parse, limit
        self.entries: OrderedDict[str, tuple[tuple[int, ...], Value]] = OrderedDict()
        self.guard = threading.Lock()

    def read(self, path: Path) -> Value:
        """Returns the value of a file; raises what `parse` raises, OSError where it is missing."""
        stat, key = path.stat(), str(path)
        # replacing a file gives another inode, writing to it another time
        stamp = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        with self.guard:
            kept_stamp, value = self.entries.get(key, ((), None))
            if kept_stamp == stamp:
                self.entries.move_to_end(key)
                return value  # type: ignore[return-value]  # a stamp comes with its value
        value = self.parse(path)
        if time.time_ns() - stat.st_ctime_ns > SETTLED_NS:
            self.keep(key, stamp, value)
        return value

    def keep(self, key: str, stamp: tuple[int, ...], value: Value) -> None:
        """Keep a value, and forget that which was not read for longest where there are too many."""
        with self.guard:
            self.entries[key] = stamp, value
            self.entries.move_to_end(key)
            while len(self.entries) > self.limit:
                self.entries.popitem(last=False)
