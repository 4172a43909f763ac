"""Greedy layer-wise pretraining: each layer first learns to reconstruct the output of the last.

Bengio et al. (2007), Greedy Layer-Wise Training of Deep Networks; with the model's corruption it is
the stacking of Vincent et al. (2010), section 3.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.errors import RunError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import TrainConfig
from aecore.model.parts.networks.base import ACTIVATIONS
from aecore.model.parts.networks.mlp import Mlp, MlpDecoder, MlpEncoder
from aecore.runs.records import PretrainRecord
from aecore.training.failures import has_finite_weights
from aecore.training.optimizer import Optimizer

PRETRAIN_CHUNK = 4096


def pretrain_layers(
    model: Autoencoder, x: Tensor, config: TrainConfig, stop: Callable[[], bool]
) -> Iterator[PretrainRecord]:
    """Trains encoder layer l and its mirror in the decoder, l = 0, 1, ..., on x (N, *input_shape).

    Yields one record an epoch. The first layer reconstructs the input by the model's likelihood,
    the others the activations below them by squared error. Ends early when `stop()` turns true;
    raises RunError where a weight is not finite any more.
    """
    below = torch.cat(
        [model.to_scaled(as_float(part)).flatten(1) for part in x.split(PRETRAIN_CHUNK)]
    )
    for depth in range(LayerAutoencoder(model, 0).last + 1):
        layer = LayerAutoencoder(model, depth)
        optimizer = Optimizer(layer.parameters(), TrainConfig())
        for epoch in range(1, config.pretrain_epochs + 1):
            torch.manual_seed((config.seed + 1) * 1_000_003 + depth * 100_000 + epoch)
            started = time.perf_counter()
            loss = train_layer_epoch(layer, optimizer, below, config, stop)
            if loss is None:
                return
            seconds = round(time.perf_counter() - started, 4)
            yield PretrainRecord(layer=depth + 1, epoch=epoch, loss=loss, seconds=seconds)
        if not has_finite_weights(model):
            raise RunError("The pretraining diverged. Try a tenth of the learning rate.")
        with torch.no_grad(), use_running_statistics(model):
            below = torch.cat([layer.encode(part) for part in below.split(PRETRAIN_CHUNK)])


def train_layer_epoch(
    layer: LayerAutoencoder,
    optimizer: Optimizer,
    x: Tensor,
    config: TrainConfig,
    stop: Callable[[], bool],
) -> float | None:
    """Passes once over x (N, width below); returns the mean loss, or None when stopped."""
    total = 0.0
    for rows in torch.randperm(len(x)).to(x.device).split(config.batch_size):
        if stop():
            return None
        loss = layer.loss(x.index_select(0, rows))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(config.lr)
        total += loss.item() * len(rows)
    return total / len(x)


@contextmanager
def use_running_statistics(model: Autoencoder) -> Iterator[None]:
    """Normalises batches by the statistics learned so far instead of their own."""
    model.eval()
    yield
    model.train()


class LayerAutoencoder:
    """The autoencoder made of encoder layer `depth` and the decoder layer that mirrors it."""

    def __init__(self, model: Autoencoder, depth: int):
        encoder, decoder, network = model.encoder, model.decoder, model.config.network
        # RunConfig allows pretraining for fully connected networks alone
        assert isinstance(encoder, MlpEncoder) and isinstance(decoder, MlpDecoder)
        assert isinstance(network, Mlp)
        self.model, self.encoder, self.decoder, self.depth = model, encoder, decoder, depth
        self.last = len(encoder.layers) - 1
        self.mirror = self.last - depth  # the decoder layer that undoes this encoder layer
        self.activation_below = ACTIVATIONS[network.activation]
        self.activation = ACTIVATIONS[
            network.code_activation if depth == self.last else network.activation
        ]

    def parameters(self) -> list[Tensor]:
        """Returns both layers' weights, each once where they are tied."""
        decoder, parameters = self.decoder, list(self.encoder.layers[self.depth].parameters())
        if decoder.tied_layers:
            parameters.append(decoder.biases[self.mirror])
        else:
            parameters += decoder.layers[self.mirror].parameters()
        if self.depth < self.last:
            parameters += self.encoder.norms[self.depth].parameters()
        if self.depth > 0:
            parameters += decoder.norms[self.mirror].parameters()
        return list(parameters)

    def encode(self, h: Tensor) -> Tensor:
        """Returns the activations (N, width) of this layer for h (N, width below)."""
        out = self.encoder.layers[self.depth](h)
        if self.depth == self.last:
            return self.activation(out[:, : self.model.config.latent_dim])
        return self.activation(self.encoder.norms[self.depth](out))

    def loss(self, h: Tensor) -> Tensor:
        """Returns the reconstruction loss of h (N, width below), mean over the batch."""
        corruption = self.model.config.corruption
        noisy = corruption(h) if corruption else h
        logits = self.decoder.apply_layer(self.mirror, self.encode(noisy))
        if self.depth == 0:
            logits = logits.unflatten(1, self.decoder.logits_shape)
            x = h.unflatten(1, self.model.config.input_shape)
            return self.model.likelihood.loss(logits, x).mean()
        reconstruction = self.activation_below(self.decoder.norms[self.mirror](logits))
        return (reconstruction - h).square().sum(1).mean()
