"""How much memory a data set may take."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

DEFAULT_DATA_BYTES = 4 * 10**9
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def allowed_data_bytes() -> int:
    """What AECORE_MAX_DATA_GB says, else 4 GB or a quarter of the memory that this process may use, the least."""
    if wanted := os.environ.get("AECORE_MAX_DATA_GB"):
        return int(float(wanted) * 10**9)
    return min(DEFAULT_DATA_BYTES, usable_memory() // 4)


def usable_memory() -> int:
    """The bytes that this process may use: of the machine, its container and its limits, the least."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        found.append(int(CGROUP_LIMIT.read_text()))
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    return min([*found, *(limit for limit in limits if limit != resource.RLIM_INFINITY)])


def may_read_from_disk() -> bool:
    """Whether sets above the budget are read from the disk. On a public page they are refused."""
    return not os.environ.get("SPACE_ID")
