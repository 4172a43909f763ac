"""What lies in a folder, so that one can tell whether something wrote there."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

Tree = dict[str, str]


def record_tree(folder: Path) -> Tree:
    """Returns what each path below `folder` is, by its name from there."""
    return {
        os.path.relpath(path, folder): describe_entry(Path(path))
        for parent, folders, files in os.walk(folder)
        for path in (os.path.join(parent, name) for name in (*folders, *files))
    }


def describe_entry(path: Path) -> str:
    """Returns the kind of an entry, and of a plain file its size, time and content."""
    entry = path.lstat()
    if not stat.S_ISREG(entry.st_mode):
        return stat.filemode(entry.st_mode)
    content = hashlib.sha256(path.read_bytes()).hexdigest() if entry.st_size < 10**7 else ""
    return f"{entry.st_size} {entry.st_mtime_ns} {content}"


def compare_trees(before: Tree, after: Tree) -> str:
    """Returns what was written, changed or removed; empty where nothing was."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return f"wrote outside: {', '.join(sorted(names)[:5])}" if names else ""
