"""Long calls of a page that are not training: each in a thread, watched by the page that asked for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import streamlit as st

from aecore.errors import AecoreError


@st.cache_resource
def background_jobs() -> BackgroundJobs:
    return BackgroundJobs()


class BackgroundJobs:
    """Long calls that are not training: each in a thread, watched by the page that asked for it."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.guard = threading.Lock()

    def start(self, key: str, call: Callable[[], Any]) -> None:
        """Begin `call` unless a job of that key is under way."""
        with self.guard:
            if self.results.get(key) is RUNNING:
                return
            self.results[key] = RUNNING
        threading.Thread(target=self.work, args=(key, call), daemon=True).start()

    def work(self, key: str, call: Callable[[], Any]) -> None:
        try:
            result = call()
        except AecoreError as error:
            result = error
        except Exception as error:  # a fault of ours must not leave the page waiting for ever
            result = AecoreError(
                f"That failed unexpectedly: {type(error).__name__}. Please report it."
            )
        with self.guard:
            self.results[key] = result

    def is_running(self, key: str) -> bool:
        return self.results.get(key) is RUNNING

    def take(self, key: str) -> Any:
        """The result, or the AecoreError, of a finished job, once; None before and after."""
        with self.guard:
            if self.results.get(key) is RUNNING:
                return None
            return self.results.pop(key, None)


RUNNING = object()
