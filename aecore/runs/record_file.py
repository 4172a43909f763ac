"""Reading metrics.jsonl: what was added since the last look, within bounds.

A page looks at a run every second, and the file may be a stranger's: lines and files without end
are read as far as the longest training writes, and no further.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

from aecore.files import open_plain_bytes
from aecore.runs.records import MAX_LINE_BYTES, Record, parse_record

# of one file: 100,000 epochs and the pretraining of many layers are within them
MAX_LINES, MAX_FILE_BYTES, MAX_NUMBERS = 250_000, 50_000_000, 2_500_000
MAX_CACHED_LINES = 500_000  # of all files that are kept parsed
END_BYTES = 64  # before the position, by which a file is known again


class RecordFile:
    """One metrics.jsonl as far as it was read."""

    def __init__(self) -> None:
        self.identity: tuple[int, int] | None = None  # device and inode
        self.guard = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Forgets what was read."""
        self.records: list[Record] = []
        self.position = self.lines = self.numbers = 0
        self.end = b""  # the last bytes that were read
        self.is_inside_line = False  # of one that is too long

    def read(self, path: Path) -> list[Record]:
        """Returns all sound records, of which only the new ones are read; none without a file."""
        with self.guard:
            try:
                with open_plain_bytes(path) as file:
                    self.read_on(file)
            except OSError:
                self.begin()
            return list(self.records)

    def read_on(self, file: BinaryIO) -> None:
        """Reads what was added, or all of a file that is another one."""
        if not self.knows(file):
            self.begin()
        file.seek(self.position)
        while not self.is_full() and self.read_line(file):
            pass

    def knows(self, file: BinaryIO) -> bool:
        """Returns True for the file that was read before, to which lines may have been added."""
        entry, known = os.fstat(file.fileno()), self.identity
        self.identity = entry.st_dev, entry.st_ino
        if known != self.identity or entry.st_size < self.position:
            return False
        file.seek(self.position - len(self.end))
        return file.read(len(self.end)) == self.end

    def is_full(self) -> bool:
        """Returns True where no more is read of this file."""
        return (
            self.lines >= MAX_LINES
            or self.position >= MAX_FILE_BYTES
            or self.numbers >= MAX_NUMBERS
        )

    def read_line(self, file: BinaryIO) -> bool:
        """Reads one line, or a piece of one that is too long; False where no whole one is left."""
        line = file.readline(MAX_LINE_BYTES)
        is_whole = line.endswith(b"\n")
        if not is_whole and len(line) < MAX_LINE_BYTES:
            return False  # the end, or a line that is being written
        self.position += len(line)
        self.lines += 1
        self.end = (self.end + line)[-END_BYTES:]
        if is_whole and not self.is_inside_line:
            self.keep(parse_record(line))
        self.is_inside_line = not is_whole
        return True

    def keep(self, record: Record | None) -> None:
        """Keeps a sound record."""
        if record is not None:
            self.records.append(record)
            self.numbers += len(record.to_row())


class RecordCache:
    """The files that were read last, by their paths; threads may share it."""

    def __init__(self) -> None:
        self.files: OrderedDict[str, RecordFile] = OrderedDict()
        self.guard = threading.Lock()

    def read(self, path: Path) -> list[Record]:
        """Returns the records of a file; forgets the files that were not asked for lately."""
        key = os.path.abspath(path)
        with self.guard:
            file = self.files.setdefault(key, RecordFile())
            self.files.move_to_end(key)
        records = file.read(path)  # a long file holds up those alone who ask for it, too
        with self.guard:
            while sum(other.lines for other in self.files.values()) > MAX_CACHED_LINES:
                self.files.popitem(last=False)
        return records


_CACHE = RecordCache()


def read_records(path: Path) -> list[Record]:
    """Returns the sound records of a metrics.jsonl, without a torn last line; none without one."""
    return _CACHE.read(path)
