"""Autoencoder Lab: train any autoencoder, see what it learned, share it."""

from __future__ import annotations

from typing import Any

_HOMES = {
    "Autoencoder": "aecore.model.autoencoder",
    "ModelConfig": "aecore.model.config",
    "DataConfig": "aecore.model.config",
    "TrainConfig": "aecore.model.config",
    "RunConfig": "aecore.model.config",
    "VARIANTS": "aecore.model.variants",
    "configure": "aecore.model.variants",
    "Run": "aecore.runs.run",
    "fit": "aecore.training.trainer",
    "AecoreError": "aecore.errors",
}


__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that a process that only waits in a queue stays small."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'aecore' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
