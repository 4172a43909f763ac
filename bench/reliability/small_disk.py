"""A small disk of one's own: a tmpfs that only this process sees, and that goes with it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000  # of unshare(2)
RECURSIVE, PRIVATE = 0x4000, 0x40000  # of mount(2)


def mount_small_disk(folder: Path, size: int) -> bool:
    """Puts a disk of `size` bytes at a folder, for this process alone.

    Returns False where the system allows that to nobody but its administrator.
    """
    user, group = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(NEW_MOUNTS) and library.unshare(NEW_USER | NEW_MOUNTS):
        return False
    if os.getuid() != user:  # in a name space of users of its own: it is root there
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    library.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None)
    options = f"size={size},mode=0700".encode()
    return not library.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options)


def fill_disk(folder: Path, leave: int) -> Path:
    """Writes a file that leaves so many bytes of a disk; returns it."""
    path, disk = folder / "filler", os.statvfs(folder)
    with open(path, "wb") as file:
        file.write(bytes(max(0, disk.f_bavail * disk.f_frsize - leave)))
    return path
