"""Passing many examples through a model in chunks that fit into memory; results are on the CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.index_prior import TransformerPrior
from aecore.progress import track_progress

CHUNK_ROWS = 1000  # examples at a time, at most
PRIOR_ROWS = 256  # codes that a prior sees at a time
CHUNK_BYTES = 20_000_000  # decoded values at a time


def encode_in_chunks(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns the codes (N, latent_dim) of x (N, *input_shape)."""
    return _map_in_chunks(model, model.encode, x)


def index_in_chunks(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns the indices (N, indices) int64 of the discrete codes of x (N, *input_shape)."""

    def index(part: Tensor) -> Tensor:
        return model.bottleneck.indices(model.encode_scaled(model.to_scaled(part)))

    return _map_in_chunks(model, index, x)


def reconstruct_in_chunks(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns the reconstructions (N, *input_shape) of x."""
    return _map_in_chunks(model, model.reconstruct, x)


def decode_in_chunks(model: Autoencoder, z: Tensor) -> Tensor:
    """Returns the decoded codes z (N, latent_dim): (N, *input_shape)."""
    return _map_in_chunks(model, model.decode, z)


@torch.no_grad()
def _map_in_chunks(
    model: Autoencoder, function: Callable[[Tensor], Tensor], values: Tensor
) -> Tensor:
    device = model.shift.device
    parts = values.split(count_rows_at_once(model))
    return torch.cat([function(as_float(part).to(device)).cpu() for part in track_progress(parts)])


def iterate_chunks(model: Autoencoder, x: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yields x (N, *input_shape) in parts, each with a mask of the cells that are known, or None.

    The parts are float, on the model's device and in the network's units.
    """
    for part in track_progress(x.split(count_rows_at_once(model))):
        part = as_float(part).to(model.shift.device)
        yield model.to_scaled(part), model.observed(part)


def count_rows_at_once(model: Autoencoder) -> int:
    """Returns how many examples fit into memory together, with all the codes drawn for each."""
    samples = model.config.bottleneck.sample_count
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (count_values(model) * samples)))


def count_samples_at_once(model: Autoencoder, samples: int) -> int:
    """Returns how many of the `samples` decoded codes of each example fit into memory together."""
    return max(1, min(samples, CHUNK_BYTES // (CHUNK_ROWS * count_values(model))))


def count_values(model: Autoencoder) -> int:
    """Returns about how many values of an example are in memory at a time."""
    return model.config.network.count_widest_layer(model.config.input_shape)


@torch.no_grad()
def measure_index_loss(
    prior: TransformerPrior, indices: Tensor, device: torch.device
) -> float | None:
    """Returns the mean of -ln p of codes with indices (N, count), in nats; None without any."""
    if not len(indices):
        return None
    losses = [prior.loss(rows.to(device)).sum().item() for rows in indices.split(PRIOR_ROWS)]
    return math.fsum(losses) / len(indices)
