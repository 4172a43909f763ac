"""The memory limit of a data set. Environment and system limits are read at every call."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from aecore.errors import DataError
from aecore.limits import is_public, read_limit

DEFAULT_DATA_BYTES = 4 * 10**9
COPIES = 6  # of a set in memory while it is read and cut: all have room in the limit of all data
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def allowed_data_bytes() -> int:
    """Return the most that one data set may take in memory once decoded, in bytes.

    AECORE_MAX_DATA_GB if it is set, else 4 GB or a quarter of the usable memory, whichever is
    less; and never more than a share of the limit of all decoded data together. Arrays and folders
    of images above the limit are read from the disk.
    """
    if gigabytes := os.environ.get("AECORE_MAX_DATA_GB"):
        limit = int(float(gigabytes) * 10**9)
    else:
        limit = min(DEFAULT_DATA_BYTES, measure_usable_memory() // 4)
    return int(min(limit, read_limit("decoded_mb") * 10**6 / COPIES))


def fits_in_memory(byte_count: int) -> bool:
    """Return True if a data set of that many bytes is within the limit."""
    return byte_count <= allowed_data_bytes()


def check_data_bytes(
    byte_count: int, subject: str, advice: str = "Use fewer or smaller examples."
) -> None:
    """Raise DataError if `subject` takes more bytes than a data set may."""
    limit = allowed_data_bytes()
    if byte_count > limit:
        raise DataError(
            f"{subject} would take {byte_count / 1e9:.3g} GB in memory, more than the limit of "
            f"{limit / 1e9:.3g} GB. {advice}"
        )


def measure_usable_memory() -> int:
    """Return the bytes that this process may use: the least of machine, container and limits."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        limits.append(int(CGROUP_LIMIT.read_text()))
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
        soft_limit, _ = resource.getrlimit(kind)
        if soft_limit != resource.RLIM_INFINITY:
            limits.append(soft_limit)
    return min(limits)


def may_read_from_disk() -> bool:
    """Return True if sets above the limit are read from the disk; a public Space refuses them."""
    return not is_public()
