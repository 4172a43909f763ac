"""Previews: what a model makes of the same few test examples, at one moment of its training."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.analysis.metrics import encode_in_chunks, reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder

PREVIEW_ROWS = 16
TRACKED_VALUES = 16_000  # values of codes that each preview keeps, for the map over the epochs


def make_preview(model: Autoencoder, test: Tensor, device: torch.device) -> dict[str, Tensor]:
    """Returns x, its reconstruction and codes z, for a few of the test examples (N, *input_shape).

    x (rows, *input_shape) is taken evenly from the whole set, which may be sorted by class; z
    (M, latent_dim), in half precision, are the codes of its first examples. Images are bytes.
    """
    model.eval()
    rows = torch.linspace(0, len(test) - 1, min(PREVIEW_ROWS, len(test))).long()
    x = as_float(test[rows])
    if model.config.missing:  # show the mean in place of missing cells
        x = model.from_scaled(model.to_scaled(x.to(device))).cpu()
    tensors = {"x": x, "reconstruction": reconstruct_in_chunks(model, x)}
    if x.dim() == 4:  # bytes take a quarter of the space
        tensors = {name: (t.clamp(0, 1) * 255).round().byte() for name, t in tensors.items()}
    tracked = test[: max(1, TRACKED_VALUES // model.config.latent_dim)]
    tensors["z"] = encode_in_chunks(model, tracked).half()
    return tensors
