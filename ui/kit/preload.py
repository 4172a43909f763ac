"""What every page needs and takes seconds to import, such as PyTorch, and the server's own threads.

Whoever needs any of it imports this module first. The thread that warms the caches, the first page
and the first request of a route may come at once: one of them imports, and the others wait.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module

from aecore.runs.drafts import remove_all_drafts
from aecore.runs.keeping import keep_sweeping
from aecore.runs.listing import runs_folder
from aecore.training.speed import measure_machine_speed
from ui.kit.cache import warm_caches
from ui.kit.explorer import send_pack
from ui.kit.runs import show_live_runs
from ui.kit.sessions import session_watch, watch_sessions
from ui.kit.turns import TURNS
from ui.kit.uploader import receive_file
from ui.kit.zip_link import send_zip

LATER_MODULES = ("sklearn.datasets", "torch._dynamo")  # large, and needed by some pages alone
GARBAGE_SECONDS = 20.0
SWITCH_SECONDS = 0.001  # a fifth of Python's own: messages are answered while pages compute

__all__ = ["prepare_server", "receive_file", "send_pack", "send_zip", "show_live_runs"]


def prepare_server() -> None:
    """Starts what the server does beside its pages, and prepares what later visitors will need.

    Python computes in one thread at a time, so each preparation begins when no page is being made.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    for work in (remove_old_drafts, watch_sessions, keep_sweeping, collect_garbage):
        threading.Thread(target=work, daemon=True).start()
    imports = (partial(import_module, name) for name in LATER_MODULES)
    preparations: list[Callable[[], object]] = [
        warm_caches,
        *imports,
        keep_modules,
        measure_machine_speed,
    ]
    for prepare in preparations:
        TURNS.wait_for_quiet()
        prepare()


def keep_modules() -> None:
    """Lets searches for garbage leave alone what is there by now."""
    gc.collect()
    gc.freeze()


def collect_garbage() -> None:
    """Collects what the pages have left behind, now and then, while there are visitors.

    Looking through all objects takes a fifth of a second, in which no page is answered: it is not
    done after each page, and leaves alone what is there from the start.
    """
    while True:
        time.sleep(GARBAGE_SECONDS)
        if session_watch.visitors:
            gc.collect()


def remove_old_drafts() -> None:
    """Removes what a server that was killed has left half done."""
    remove_all_drafts(runs_folder())
