"""Saved epochs of a run as arrays of a map's pack: codes and reconstructions, as many as may be
sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from aecore.runs.run import Run

EPOCH_BYTES = 8_000_000  # at most so much of saved epochs is sent


class SavedEpoch(NamedTuple):
    """One preview of a run that holds codes."""

    epoch: int
    x: Tensor  # (m, *input_shape)
    reconstruction: Tensor  # like x
    z: Tensor  # (n, latent_dim)

    def shapes(self) -> tuple[torch.Size, torch.Size]:
        """Return the shapes that all epochs of a pack share."""
        return self.x.shape, self.z.shape


def pack_saved_epochs(
    run: Run, latent_dim: int, input_shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return epochs (E,), their codes (E, n, latent_dim), inputs and reconstructions; {} for fewer
    than two.
    """
    loaded = [load_epoch(epoch, path) for epoch, path in thin_previews(run.previews())]
    fitting = [saved for saved in loaded if saved and fits_model(saved, latent_dim, input_shape)]
    if len(fitting) < 2 or len({saved.shapes() for saved in fitting}) > 1:
        return {}
    return {
        "epochs": np.array([saved.epoch for saved in fitting], dtype=np.int32),
        "epochs.z": torch.stack([saved.z.half() for saved in fitting]).numpy(),
        "epochs.x": to_pack_array(fitting[0].x),
        "epochs.rebuilt": to_pack_array(torch.stack([saved.reconstruction for saved in fitting])),
    }


def thin_previews(previews: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Return as many previews as may be sent, the first and the last among them; [] where two are
    too many.
    """
    try:
        count = min(len(previews), EPOCH_BYTES // max(path.stat().st_size for _, path in previews))
    except (OSError, ValueError):
        return []
    if count < 2:
        return []
    return [previews[i] for i in np.linspace(0, len(previews) - 1, count).round().astype(int)]


def load_epoch(epoch: int, path: Path) -> SavedEpoch | None:
    """Read a preview; None where it is torn, or of a version that stored no codes."""
    try:
        tensors = load(path.read_bytes())
        return SavedEpoch(epoch, tensors["x"], tensors["reconstruction"], tensors["z"])
    except (OSError, SafetensorError, KeyError):
        return None


def fits_model(saved: SavedEpoch, latent_dim: int, input_shape: tuple[int, ...]) -> bool:
    """Return whether a preview holds examples and codes of these shapes."""
    x, z = saved.x, saved.z
    same_shapes = x.shape == saved.reconstruction.shape and tuple(x.shape[1:]) == input_shape
    return same_shapes and z.dim() == 2 and z.shape[1] == latent_dim


def to_pack_array(values: Tensor) -> np.ndarray:
    """Return pixels as bytes, other values as float32."""
    return (values if values.dtype == torch.uint8 else values.float()).numpy()
