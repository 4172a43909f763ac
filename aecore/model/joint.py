"""Several models of one shape as one, which train in the time of few.

Small networks leave a processor idle: a step costs what its operations cost to start. The same
layer of all models is one batched product here, as in an ensemble (networks/ensemble), and what
looks at single values takes the examples of all models at once. The rest, such as penalties and
codebooks, is that of each model, on its own examples.

Models of one shape differ in their weights and knobs alone (aecore/model/knobs.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.base import Bottleneck, Code
from aecore.model.parts.bottlenecks.gaussian import GaussianBottleneck, GaussianCode
from aecore.model.parts.joint_layers import RandomStream, StackedLinear
from aecore.model.parts.likelihoods.base import Likelihood
from aecore.model.parts.networks.joint_mlp import join_decoders, join_encoders


class JointAutoencoder(Autoencoder):
    """The training loss of several models of one shape.

    A batch (models * N, *input_shape) holds N examples of the first model, then N of the second,
    and so on; about `batch_size` of each. Every model draws from its own stream of random numbers
    what it would draw alone. Losses are (models,).
    """

    def __init__(
        self, models: Sequence[Autoencoder], streams: Sequence[RandomStream], batch_size: int
    ):
        nn.Module.__init__(self)
        first = models[0]
        self.config, self.shift, self.scale = first.config, first.shift, first.scale
        self.models, self.streams = tuple(models), tuple(streams)
        self.encoder = join_encoders([model.encoder for model in models], batch_size)
        self.decoder = join_decoders([model.decoder for model in models], batch_size)
        self.bottleneck = join_bottlenecks(models, self.streams)
        has_state = bool(first.likelihood.state_dict())
        self.likelihood = SeparateLikelihoods(models) if has_state else first.likelihood
        self.stacked = [layer for layer in self.modules() if isinstance(layer, StackedLinear)]
        self.train()

    def pass_gradients(self) -> None:
        """Add the gradients of the last pass to those of the models' own weights."""
        for layer in self.stacked:
            layer.pass_gradients()

    def split(self, x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """Return the part of each model of a batch, which lies along `dim`."""
        return x.chunk(len(self.models), dim)

    def corrupt(self, x: Tensor) -> Tensor:
        if self.config.corruption is None:
            return x
        parts = []
        for model, stream, part in zip(self.models, self.streams, self.split(x), strict=True):
            with stream:
                parts.append(model.corrupt(part))
        return torch.cat(parts)

    def weigh_cost(self, cost: Tensor, kl_weight: float | Tensor) -> Tensor:
        weights = [model.config.bottleneck.cost_weight(kl_weight) for model in self.models]
        if all(weight == weights[0] for weight in weights):
            return cost * weights[0]
        each = cost.unflatten(-1, (len(weights), -1)) * cost.new_tensor(weights)[:, None]
        return each.flatten(-2)

    def average(self, losses: Tensor) -> Tensor:
        """Return the means over the examples of each model of losses (..., models * N)."""
        each = losses.unflatten(-1, (len(self.models), -1))
        return each.mean([dim for dim in range(each.dim()) if dim != each.dim() - 2])

    def penalty(self, x: Tensor, hidden: tuple[Tensor, ...], h: Tensor, code: Code) -> Tensor:
        if not self.config.penalties:
            return h.new_zeros(len(self.models))
        layers = list(zip(*map(self.split, hidden), strict=True)) or [()] * len(self.models)
        parts = zip(self.split(x), layers, self.split(h), self.split(code.z, 1), strict=True)
        penalties = []
        for model, stream, part in zip(self.models, self.streams, parts, strict=True):
            with stream:
                penalties.append(model.penalty(*part[:3], code._replace(z=part[3])))
        return torch.stack(penalties)

    def decode_samples(self, z: Tensor) -> Tensor:
        if len(z) == 1:
            return super().decode_samples(z)
        each = z.unflatten(1, (len(self.models), -1)).transpose(0, 1)  # (models, samples, N, ...)
        logits = self.decoder(each.flatten(0, 2)).to(z.dtype)
        return logits.unflatten(0, each.shape[:3]).transpose(0, 1).flatten(1, 2)

    def auxiliary_loss(
        self, dead_code: Tensor, logits: Tensor, x: Tensor, observed: Tensor | None
    ) -> Tensor:
        masks = [None] * len(self.models) if observed is None else self.split(observed)
        parts = zip(self.split(dead_code), self.split(logits, 1), self.split(x), masks, strict=True)
        pairs = zip(self.models, parts, strict=True)
        return torch.stack([model.auxiliary_loss(*part) for model, part in pairs])


def join_bottlenecks(models: Sequence[Autoencoder], streams: Sequence[RandomStream]) -> Bottleneck:
    """Return one bottleneck that does what those of all models do."""
    options = models[0].config.bottleneck
    if isinstance(options, GaussianCode) and not options.free_bits and options.capacity is None:
        return JointGaussian(options, models[0].config.latent_dim, streams)
    return SeparateBottlenecks([model.bottleneck for model in models], streams)


class JointGaussian(GaussianBottleneck):
    """Draws the noise of each model's codes from its own stream."""

    def __init__(self, options: GaussianCode, latent_dim: int, streams: Sequence[RandomStream]):
        super().__init__(options, latent_dim)
        self.streams = tuple(streams)

    def draw_noise(self, mean: Tensor, samples: int) -> Tensor:
        noise = []
        for stream, part in zip(self.streams, mean.chunk(len(self.streams)), strict=True):
            with stream:
                noise.append(super().draw_noise(part, samples))
        return torch.cat(noise, 1)


class SeparateBottlenecks(Bottleneck):
    """Gives each model's codes to its own bottleneck."""

    def __init__(self, bottlenecks: Sequence[Bottleneck], streams: Sequence[RandomStream]):
        super().__init__(bottlenecks[0].latent_dim)
        self.own, self.streams = tuple(bottlenecks), tuple(streams)

    def forward(self, h: Tensor, samples: int) -> Code:
        codes = []
        parts = h.chunk(len(self.own))
        for bottleneck, stream, part in zip(self.own, self.streams, parts, strict=True):
            with stream:
                codes.append(bottleneck(part, samples))
        rates = [code.rate for code in codes if code.rate is not None]
        return Code(
            torch.cat([code.z for code in codes], 1),
            torch.cat([code.cost for code in codes], 1),
            torch.cat([code.mean for code in codes]),
            torch.cat(rates, 1) if rates else None,
        )

    def select_dead_code(self, h: Tensor) -> Tensor | None:
        pairs = zip(self.own, h.chunk(len(self.own)), strict=True)
        selected = [bottleneck.select_dead_code(part) for bottleneck, part in pairs]
        codes = [code for code in selected if code is not None]
        return torch.cat(codes) if codes else None


class SeparateLikelihoods(Likelihood):
    """Measures each model's reconstructions by its own likelihood, which follows its batches."""

    def __init__(self, models: Sequence[Autoencoder]):
        super().__init__()
        self.own = tuple(model.likelihood for model in models)

    def training_loss(self, logits: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor:
        count = len(self.own)
        masks = [None] * count if observed is None else observed.chunk(count)
        parts = zip(logits.chunk(count, 1), x.chunk(count), masks, strict=True)
        pairs = zip(self.own, parts, strict=True)
        return torch.cat([likelihood.training_loss(*part) for likelihood, part in pairs], -1)
