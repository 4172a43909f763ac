"""Functions of modules that are slow to import, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_late(name: str) -> Any:
    """Returns the function that "package.module:name" names, once all that pages need is there."""
    import_module("ui.kit.preload")  # first, since other threads may be importing the same
    module, function = name.split(":")
    return getattr(import_module(module), function)
