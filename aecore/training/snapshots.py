"""Previews: what a model makes of the same few test examples, at one moment of its training."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.analysis.chunks import encode_in_chunks, reconstruct_in_chunks
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.runs.previews import Preview, choose_preview_rows, count_tracked_codes


def make_preview(model: Autoencoder, test: Tensor, device: torch.device) -> Preview:
    """Returns a few of the test examples (N, *input_shape) with their reconstructions, and codes.

    x (rows, *input_shape) is taken evenly from the whole set; z (M, latent_dim) are the codes of
    its first examples.
    """
    model.eval()
    x = as_float(test[choose_preview_rows(len(test))])
    if model.config.missing:  # show the mean in place of missing cells
        x = model.from_scaled(model.to_scaled(x.to(device))).cpu()
    tracked = test[: count_tracked_codes(model.config.latent_dim)]
    return Preview(x, reconstruct_in_chunks(model, x), encode_in_chunks(model, tracked))
