"""The start of a bottleneck of bits: steps at which rounding costs what its bits do."""

from __future__ import annotations

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.bottlenecks.rate import Rate, RateBottleneck

STARTING_EXAMPLES = 256  # from which steps and densities are taken
PROBES = 4  # random directions of the output


def start_rate(model: Autoencoder, sample: Tensor) -> None:
    """Begins the steps and the density of a model that counts bits; does nothing to others.

    `sample` are training examples (N, *input_shape), of which some at even distances are used.
    """
    bottleneck, options = model.bottleneck, model.config.bottleneck
    if not isinstance(bottleneck, RateBottleneck) or not isinstance(options, Rate):
        return
    count = min(len(sample), STARTING_EXAMPLES)
    places = torch.linspace(0, len(sample) - 1, count, dtype=torch.float64).long()
    x = as_float(sample[places.to(sample.device)]).to(model.shift.device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        h = model.encode_scaled(model.to_scaled(x))
    bottleneck.fit_steps(h, measure_loss_effects(model, h), options.bit_weight)
    model.train(was_training)


def measure_loss_effects(model: Autoencoder, h: Tensor) -> Tensor:
    """Returns by how much the loss grows with a unit's squared change, mean over codes h (N, d).

    That is half the diagonal of J^T P J for the Jacobian J of the logits and the precisions P of
    the likelihood, estimated along random directions of the logits: (d,).
    """
    z = h.detach().requires_grad_()
    logits = model.decoder(z)
    precisions = model.likelihood.find_precisions(logits.detach().mean(0).flatten())
    weights = (precisions / 2).sqrt().view(1, *logits.shape[1:])
    total = torch.zeros_like(h[0])
    for _ in range(PROBES):
        direction = torch.randn_like(logits) * weights
        (gradient,) = torch.autograd.grad(logits, z, direction, retain_graph=True)
        total += gradient.square().mean(0)
    return total / PROBES
