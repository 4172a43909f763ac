"""How far a download from the Hub is: a bar for its client that draws nothing, and reports."""

from __future__ import annotations

import threading
from typing import Any

from aecore.progress import get_progress_listener


def make_silent_bar(total: int) -> type[Any] | None:
    """Returns a class for `tqdm_class` that reports the bytes received, of `total`.

    None, which is the client's own bar, where nobody listens. The client downloads in threads of
    its own, so who listens is found out here.
    """
    listener = get_progress_listener()
    if listener is None:
        return None
    from huggingface_hub.utils import tqdm

    guard = threading.Lock()

    class SilentBar(tqdm):
        """One of the client's bars: it has others, of files and of the network's own bytes."""

        def __init__(self, *args: Any, **options: Any):
            is_transfer = str(options.get("name") or "").endswith(".transfer")
            self.counts = options.get("unit") == "B" and not is_transfer
            self.received = 0.0
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if self.counts and n and listener:
                with guard:  # files arrive in several threads
                    self.received += n
                    listener(min(1.0, self.received / max(1, total)))

    return SilentBar
