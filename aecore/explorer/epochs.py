"""Saved epochs of a run, codes and reconstructions, as arrays of a map's pack."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aecore.errors import CheckpointError
from aecore.runs.previews import Preview, read_preview
from aecore.runs.run import Run

EPOCH_BYTES = 8_000_000  # at most so much of saved epochs is sent


def pack_saved_epochs(
    run: Run, latent_dim: int, input_shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return epochs (E,), their codes (E, n, latent_dim), inputs and reconstructions.

    An empty dict for fewer than two epochs.
    """
    saved = read_saved_epochs(run, latent_dim, input_shape)
    shapes = {(preview.x.shape, z.shape) for _, preview, z in saved}
    if len(saved) < 2 or len(shapes) > 1:
        return {}
    rebuilt = torch.stack([preview.reconstruction for _, preview, _ in saved])
    return {
        "epochs": np.array([epoch for epoch, _, _ in saved], dtype=np.int32),
        "epochs.z": torch.stack([z.half() for _, _, z in saved]).numpy(),
        "epochs.x": to_pack_array(saved[0][1].x),
        "epochs.rebuilt": to_pack_array(rebuilt),
    }


def read_saved_epochs(
    run: Run, latent_dim: int, input_shape: tuple[int, ...]
) -> list[tuple[int, Preview, Tensor]]:
    """Return (epoch, preview, its codes), without torn previews and those that have no codes."""
    saved = []
    for epoch, path in thin_previews(run.previews()):
        with suppress(CheckpointError):
            preview = read_preview(path, input_shape)
            if preview.z is not None and preview.z.shape[1] == latent_dim:
                saved.append((epoch, preview, preview.z))
    return saved


def thin_previews(previews: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Return as many previews as may be sent, with first and last; [] for fewer than two."""
    try:
        count = min(len(previews), EPOCH_BYTES // max(path.stat().st_size for _, path in previews))
    except (OSError, ValueError):
        return []
    if count < 2:
        return []
    return [previews[i] for i in np.linspace(0, len(previews) - 1, count).round().astype(int)]


def to_pack_array(values: Tensor) -> np.ndarray:
    """Return pixels as bytes, other values as float32."""
    return (values if values.dtype == torch.uint8 else values.float()).numpy()
