"""The start of what learns faster from where the training examples are."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.analysis.chunks import count_rows_at_once
from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.training.pca_start import start_as_pca
from aecore.training.rate_start import start_rate

START_EXAMPLES = 4096  # that a codebook begins at


def start_from_examples(model: Autoencoder, sample: Tensor, seed: int) -> bool:
    """Begins a linear path, a codebook or steps of codes by `sample` (N, *input_shape).

    Returns True where the model is good already, such that an epoch is kept if it is better.
    """
    has_path = model.config.network.has_linear_path
    if has_path:
        start_as_pca(model, sample)
    if model.config.bottleneck.starts_from_codes:
        start_codebook(model, sample, seed)
    start_rate(model, sample)
    return has_path


@torch.no_grad()
def start_codebook(model: Autoencoder, sample: Tensor, seed: int) -> None:
    """Begins the bottleneck at the codes of examples at even distances in `sample`.

    `sample` is (N, *input_shape).
    """
    count = min(len(sample), START_EXAMPLES)
    places = torch.linspace(0, len(sample) - 1, count, dtype=torch.float64).long()
    x = sample[places.to(sample.device)]
    model.eval()
    parts = [
        model.encode_scaled(model.to_scaled(as_float(part).to(model.shift.device)))
        for part in x.split(count_rows_at_once(model))
    ]
    model.bottleneck.start(torch.cat(parts), torch.Generator().manual_seed(seed))
