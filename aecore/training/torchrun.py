"""Processes that torchrun starts: whether this is one, and its end with its parent. No torch."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def is_one_of_several() -> bool:
    """Returns True where torchrun started this process, as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def end_with_parent() -> None:
    """Asks Linux to send this process SIGTERM when its parent dies.

    A torchrun that is killed outright stops nothing itself.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
