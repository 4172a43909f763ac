"""Processes that work for a server: they are niced, end with it, and have minutes of CPU.

The standard library alone is used, so that a process which waits for its turn stays small.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import threading
import time
from typing import NoReturn

NICENESS = 10
GRACE_SECONDS = 30  # of the processor, to leave a library's code before the system kills


def yield_processor() -> None:
    """Lets pages and runs have the processor first."""
    os.nice(NICENESS)


def end_with_starter() -> None:
    """Ends this process once the one that started it has, however that ended.

    Standard input is a pipe that the other holds open: see `start_module(..., is_tied=True)`.
    """

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def limit_processor_minutes(minutes: float, sentence: str) -> None:
    """Ends this process, after it has printed a sentence, when it worked for so many more minutes.

    Minutes of the processor count, of all its threads together; infinitely many are no limit.
    """
    if math.isinf(minutes):
        return

    def stop(signum: int, frame: object) -> NoReturn:
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()
        os._exit(1)

    signal.signal(signal.SIGXCPU, stop)
    seconds = math.ceil(time.process_time() + 60 * minutes)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + GRACE_SECONDS))
