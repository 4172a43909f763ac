"""Autoencoder Lab: train any autoencoder, see what it learned, share it.

The public names are loaded on first use: `import aecore` alone stays small and imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "Autoencoder": "aecore.model.autoencoder",
    "ModelConfig": "aecore.model.config",
    "DataConfig": "aecore.model.config",
    "TrainConfig": "aecore.model.config",
    "RunConfig": "aecore.model.config",
    "VARIANTS": "aecore.model.variants",
    "configure": "aecore.model.variants.fitting",
    "Run": "aecore.runs.run",
    "fit": "aecore.training.trainer",
    "AutoencoderTransformer": "aecore.estimator",
    "AutoencoderDetector": "aecore.estimator",
    "AutoencoderImputer": "aecore.estimator",
    "AecoreError": "aecore.errors",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import the module of a public name and return what it holds under that name."""
    if name not in _MODULES:
        raise AttributeError(f"module 'aecore' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion in editors and notebooks."""
    return sorted(__all__)
