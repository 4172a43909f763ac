"""What every page needs and takes seconds to import, such as PyTorch.

Whoever needs any of it imports this module first. The thread that warms the caches, the first page
and the first request of a route may come at once: one of them imports, and the others wait.
"""

from __future__ import annotations

from ui.kit.cache import warm_caches
from ui.kit.explorer import send_pack
from ui.kit.runs import show_live_runs
from ui.kit.uploader import receive_file

__all__ = ["receive_file", "send_pack", "show_live_runs", "warm_caches"]
