"""Greedy layer-wise pretraining: each layer first learns to rebuild what the one below gives it.

Bengio et al. (2007), Greedy Layer-Wise Training of Deep Networks; with the model's corruption it is
the stacking of Vincent et al. (2010), section 3.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.model.parts.networks.base import ACTIVATIONS
from aecore.training.optimizer import Optimizer

PRETRAIN_CHUNK = 4096


def pretrain_layers(
    model: Autoencoder, x: Tensor, config: TrainConfig, stop: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Train encoder layer l and its mirror in the decoder, l = 0, 1, ..., on x (N, *input_shape).

    Yields one record an epoch. The first layer rebuilds the input by the model's likelihood, the
    others the activations below them by squared error.
    """
    below = torch.cat(
        [model.to_scaled(as_float(part)).flatten(1) for part in x.split(PRETRAIN_CHUNK)]
    )
    for depth in range(len(model.encoder.layers)):
        layer = LayerAutoencoder(model, depth)
        optimizer = Optimizer(layer.parameters(), TrainConfig())
        for epoch in range(1, config.pretrain_epochs + 1):
            torch.manual_seed((config.seed + 1) * 1_000_003 + depth * 100_000 + epoch)
            started, total = time.perf_counter(), 0.0
            for rows in torch.randperm(len(below)).to(below.device).split(config.batch_size):
                if stop():
                    return
                loss = layer.loss(below.index_select(0, rows))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step(config.lr)
                total += loss.item() * len(rows)
            seconds = round(time.perf_counter() - started, 4)
            yield {
                "kind": "pretrain",
                "layer": depth + 1,
                "epoch": epoch,
                "loss": total / len(below),
                "seconds": seconds,
            }
        with torch.no_grad(), use_running_statistics(model):
            below = torch.cat([layer.encode(part) for part in below.split(PRETRAIN_CHUNK)])


@contextmanager
def use_running_statistics(model: Autoencoder) -> Iterator[None]:
    """Statistics of batches as they were learned, not as they come."""
    model.eval()
    yield
    model.train()


class LayerAutoencoder:
    """The autoencoder made of encoder layer `depth` and the decoder layer that mirrors it."""

    def __init__(self, model: Autoencoder, depth: int):
        self.model, self.depth, self.last = model, depth, len(model.encoder.layers) - 1
        network = model.config.network
        self.below = ACTIVATIONS[network.activation]  # what made the activations that are rebuilt
        self.f = ACTIVATIONS[network.code_activation if depth == self.last else network.activation]

    def parameters(self) -> list[Tensor]:
        """Both layers' weights, each once where they are tied."""
        decoder, mirror = self.model.decoder, self.last - self.depth
        own = list(self.model.encoder.layers[self.depth].parameters())
        own += (
            [decoder.biases[mirror]] if decoder.tied_layers else list(decoder.layers[mirror].parameters())
        )
        if self.depth < self.last:
            own += self.model.encoder.norms[self.depth].parameters()
        if self.depth > 0:
            own += decoder.norms[mirror].parameters()
        return own

    def encode(self, h: Tensor) -> Tensor:
        out = self.model.encoder.layers[self.depth](h)
        if self.depth == self.last:
            return self.f(out[:, : self.model.config.latent_dim])
        return self.f(self.model.encoder.norms[self.depth](out))

    def loss(self, h: Tensor) -> Tensor:
        """Reconstruction loss of h (N, width below), mean over the batch."""
        config = self.model.config
        noisy = config.corruption(h) if config.corruption else h
        logits = self.model.decoder.apply_layer(self.last - self.depth, self.encode(noisy))
        if self.depth == 0:
            return self.model.likelihood.loss(logits, h).mean()
        rebuilt = self.below(self.model.decoder.norms[self.last - self.depth](logits))
        return (rebuilt - h).square().sum(1).mean()
