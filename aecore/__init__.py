"""Autoencoder Lab: train any autoencoder, see what it learned, share it."""

from typing import Any

_HOMES = {
    "Autoencoder": "aecore.autoencoder",
    "ModelConfig": "aecore.config",
    "DataConfig": "aecore.config",
    "TrainConfig": "aecore.config",
    "RunConfig": "aecore.config",
    "VARIANTS": "aecore.variants",
    "configure": "aecore.variants",
    "Run": "aecore.runs",
    "fit": "aecore.train",
    "AecoreError": "aecore.errors",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that a process that only waits in a queue stays small."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'aecore' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
