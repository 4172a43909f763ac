"""Limits on what one visitor may use: each is a setting, with a safe default for a public Space.

On one's own machine there is no limit but those that are set. The standard library alone is used:
the process that keeps the queue reads these, too.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

MAX_SLOTS = 1000


class Limit(NamedTuple):
    """One limit: the environment variable that sets it, its defaults, and its name for people."""

    setting: str
    public: float  # the default on a public Space
    text: str
    home: float = math.inf  # the default on one's own machine


LIMITS = {
    "visitor_runs": Limit("AECORE_VISITOR_RUNS", 2, "runs of one visitor, waiting or training"),
    "runs": Limit("AECORE_MAX_RUNS", 20, "runs of all visitors, waiting or training"),
    "sweep_runs": Limit("AECORE_SWEEP_RUNS", 2, "runs of one sweep"),
    "run_minutes": Limit("AECORE_RUN_MINUTES", 30, "minutes that a run may train"),
    "slots": Limit("AECORE_SLOTS", 1, "runs that train at a time", home=1),
    "run_nice": Limit("AECORE_RUN_NICE", 5, "niceness of a run", home=0),
    "spare_minutes": Limit(
        "AECORE_SPARE_MINUTES", 5, "minutes that a trainer waits for a run to start", home=5
    ),
    "run_memory_gb": Limit("AECORE_RUN_MEMORY_GB", 3, "GB of memory that a run may use"),
    "parameters": Limit("AECORE_MAX_PARAMETERS", 20_000_000, "parameters of a model"),
    "visitor_mb": Limit("AECORE_VISITOR_MB", 300, "MB that are kept for one visitor"),
    "kept_mb": Limit("AECORE_KEPT_MB", 10_000, "MB that are kept for all visitors"),
    "keep_hours": Limit("AECORE_KEEP_HOURS", 24, "hours that things of an absent visitor are kept"),
    "upload_mb": Limit("AECORE_MAX_UPLOAD_MB", 100, "MB of one data set", home=512),
    "pictures": Limit("AECORE_MAX_PICTURES", 20_000, "pictures of one data set"),
    "megapixels": Limit("AECORE_MAX_MEGAPIXELS", 300, "million pixels of one data set, as brought"),
    "columns": Limit("AECORE_MAX_COLUMNS", 5000, "columns of one table"),
    "cells": Limit("AECORE_MAX_CELLS", 10_000_000, "cells of one table"),
    "visitor_uploads": Limit("AECORE_VISITOR_UPLOADS", 2, "uploads of one visitor at a time"),
    "uploads": Limit("AECORE_MAX_UPLOADS", 8, "uploads of all visitors at a time"),
    "decoded_mb": Limit("AECORE_DECODED_MB", 1500, "MB of decoded data kept in memory"),
    "map_minutes": Limit("AECORE_MAP_MINUTES", 3, "minutes of CPU for a slow map"),
    "messages": Limit("AECORE_MESSAGES", 600, "messages of one page in a minute"),
}


def is_public() -> bool:
    """Returns True where visitors are strangers: on a Space, unless AECORE_PUBLIC is 0 or 1."""
    choice = os.environ.get("AECORE_PUBLIC", "")
    return choice == "1" if choice in ("0", "1") else bool(os.environ.get("SPACE_ID"))


def read_limit(name: str) -> float:
    """Returns the limit of that name; infinite where there is none.

    A setting that is no number counts as not set.
    """
    limit = LIMITS[name]
    default = limit.public if is_public() else limit.home
    try:
        value = float(os.environ.get(limit.setting) or default)
    except ValueError:
        return default
    return value if value >= 0 else default


def read_slot_limit() -> int:
    """Returns how many runs may train at a time on this machine."""
    return int(min(max(1, read_limit("slots")), MAX_SLOTS))
