"""One run's view of examples: corrupted input, code, reconstruction and error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aecore.analysis.latent import decode_codes, encode_codes
from aecore.runs.run import Run
from ui.kit.cache import get_model

# -- the same inputs


@dataclass(frozen=True)
class RunView:
    """What one run makes of examples (N, *input_shape), in the data's units."""

    run: Run
    variant: str
    saw: Tensor | None  # the corrupted input, where the run has a corruption
    z: Tensor  # (N, latent_dim)
    rebuilt: Tensor


def view_through(run: Run, x: Tensor, seed: int) -> RunView:
    """The run's view of x; its noise, as in training, is the same for the same seed."""
    model, saw = get_model(run), None
    if corruption := model.config.corruption:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            saw = model.from_scaled(corruption(model.to_scaled(x)))
    z = encode_codes(model, x if saw is None else saw)
    return RunView(run, model.config.variant, saw, z, decode_codes(model, z))
