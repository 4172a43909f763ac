"""The manifold that an encoder learned: its Jacobian, the directions it responds to, how many there are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from aecore.autoencoder import Autoencoder
from aecore.metrics import chunks

FEW = 20  # Jacobians at a time: a wide one takes megabytes


def encoder_jacobians(model: Autoencoder, x: Tensor) -> Tensor:
    """dz/dx of the code before the bottleneck at each x (N, *input_shape): (N, latent_dim, features).

    In the network's units, without noise, by reverse mode.
    """
    jacobian = vmap(jacrev(lambda one: model.encode_scaled(one[None])[0]))
    parts = [jacobian(part).flatten(2) for batch, _ in chunks(model, x) for part in batch.split(FEW)]
    return torch.cat(parts)


def jacobian_norms(model: Autoencoder, x: Tensor) -> Tensor:
    """|dz/dx|_F at each x, (N,): what a contractive autoencoder keeps small (Rifai et al., 2011)."""
    return torch.cat([encoder_jacobians(model, part).flatten(1).norm(dim=1) for part in x.split(FEW)])


def tangents(model: Autoencoder, x: Tensor, count: int) -> Tensor:
    """The `count` input directions that move the code most, orthonormal: (N, count, features).

    The leading right singular vectors of the encoder's Jacobian: an estimate of the tangent space
    of the data's manifold at each x (Rifai et al., 2011, The Manifold Tangent Classifier).
    """
    found = []
    for part in x.split(FEW):
        jacobian = encoder_jacobians(model, part)
        found.append(torch.linalg.eigh(jacobian.mT @ jacobian).eigenvectors[..., -count:].flip(-1).mT)
    return torch.cat(found)


def image_tangents(x: Tensor) -> Tensor:
    """How an image changes when it is shifted, turned, scaled or sheared a little: (N, 6, C * H * W) unit vectors.

    By finite differences of x (N, C, H, W): the two shifts, rotation, scaling, and the two hyperbolic
    deformations of Simard et al. (1992).
    """
    dy, dx = torch.gradient(x, dim=(2, 3))
    height, width = x.shape[2:]
    v, u = torch.meshgrid(
        torch.arange(height, device=x.device) - (height - 1) / 2,
        torch.arange(width, device=x.device) - (width - 1) / 2,
        indexing="ij",
    )
    moves = [dx, dy, u * dy - v * dx, u * dx + v * dy, u * dx - v * dy, v * dx + u * dy]
    flat = torch.stack([move.flatten(1) for move in moves], 1)
    return flat / flat.norm(dim=2, keepdim=True).clamp(min=1e-12)


def captured(directions: Tensor, basis: Tensor) -> Tensor:
    """Share of the energy of directions (N, m, d) that lies in the span of orthonormal basis (N, k, d): (N,)."""
    inside = (directions @ basis.mT).square().sum((1, 2))
    return inside / directions.square().sum((1, 2)).clamp(min=1e-12)
