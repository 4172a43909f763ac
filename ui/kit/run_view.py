"""One run's view of examples: corrupted input, code and reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks
from aecore.runs.run import Run
from ui.kit.cache import get_model


@dataclass(frozen=True)
class RunView:
    """What one run makes of examples (N, *input_shape), in the data's units."""

    run: Run
    variant: str
    corrupted: Tensor | None  # the encoder's input, where the run has a corruption
    z: Tensor  # (N, latent_dim)
    rebuilt: Tensor  # (N, *input_shape)


def view_through(run: Run, x: Tensor, seed: int) -> RunView:
    """Returns the run's view of x; its noise, as in training, is the same for the same seed."""
    model, corrupted = get_model(run), None
    if corruption := model.config.corruption:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            corrupted = model.from_scaled(corruption(model.to_scaled(x)))
    z = encode_in_chunks(model, x if corrupted is None else corrupted)
    return RunView(run, model.config.variant, corrupted, z, decode_in_chunks(model, z))
