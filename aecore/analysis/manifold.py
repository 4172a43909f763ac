"""The manifold that a model learned: Jacobians, the directions that it responds to and draws, how many there are.

The decoder's image g(z) is the manifold itself: at g(z) its tangent space is spanned by the columns of dg/dz. The
encoder's Jacobian df/dx says what it notices of the input. A denoiser's r(x) - x points back to where the data are
dense (Alain & Bengio, 2014, What Regularized Auto-Encoders Learn from the Data-Generating Distribution).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

from aecore.analysis.metrics import iterate_chunks
from aecore.model.autoencoder import Autoencoder

FEW_ROWS = 20  # Jacobians at a time: a wide one takes megabytes


def compute_encoder_jacobians(model: Autoencoder, x: Tensor) -> Tensor:
    """dz/dx of the code before the bottleneck at each x (N, *input_shape): (N, latent_dim, features).

    In the network's units, without noise, by reverse mode.
    """
    jacobian = vmap(jacrev(lambda one: model.encode_scaled(one[None])[0]))
    parts = [
        jacobian(part).flatten(2)
        for batch, _ in iterate_chunks(model, x)
        for part in batch.split(FEW_ROWS)
    ]
    return torch.cat(parts)


def compute_jacobian_norms(model: Autoencoder, x: Tensor) -> Tensor:
    """|dz/dx|_F at each x, (N,): what a contractive autoencoder keeps small (Rifai et al., 2011)."""
    return torch.cat(
        [
            compute_encoder_jacobians(model, part).flatten(1).norm(dim=1)
            for part in x.split(FEW_ROWS)
        ]
    )


def compute_tangents(model: Autoencoder, x: Tensor, count: int) -> Tensor:
    """The `count` input directions that move the code most, orthonormal: (N, count, features).

    The leading right singular vectors of the encoder's Jacobian: an estimate of the tangent space
    of the data's manifold at each x (Rifai et al., 2011, The Manifold Tangent Classifier).
    """
    found = []
    for part in x.split(FEW_ROWS):
        jacobian = compute_encoder_jacobians(model, part)
        found.append(
            torch.linalg.eigh(jacobian.mT @ jacobian).eigenvectors[..., -count:].flip(-1).mT
        )
    return torch.cat(found)


def compute_image_tangents(x: Tensor) -> Tensor:
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


def captured_energy(directions: Tensor, basis: Tensor) -> Tensor:
    """Share of the energy of directions (N, m, d) that lies in the span of orthonormal basis (N, k, d): (N,)."""
    inside = (directions @ basis.mT).square().sum((1, 2))
    return inside / directions.square().sum((1, 2)).clamp(min=1e-12)


@torch.no_grad()
def compute_decoder_jacobians(model: Autoencoder, z: Tensor) -> Tensor:
    """dx^/dz of the likelihood's mean at each code z (N, latent_dim): (N, features, latent_dim), on the CPU.

    In the network's units, by forward mode. Units that are off in a k-sparse code stay off: their columns are zero.
    """

    def draw(one: Tensor) -> Tensor:
        return model.likelihood.mean(model.decoder(one[None]))[0].flatten()

    few = max(1, FEW_ROWS * 1024 // model.config.features)
    parts = [vmap(jacfwd(draw))(part.to(model.shift.device)).cpu() for part in z.split(few)]
    found = torch.cat(parts)
    return (
        found * (z != 0)[:, None].to(found.dtype)
        if model.config.bottleneck.is_sparse
        else found
    )


class JacobianFrame(NamedTuple):
    """The singular value decomposition of a decoder's Jacobian, the strongest direction first."""

    inputs: Tensor  # (features, k) orthonormal: the tangent directions
    strengths: Tensor  # (k,)
    codes: Tensor  # (k, latent_dim) orthonormal: which change of the code draws each


def decompose_jacobian(jacobian: Tensor) -> JacobianFrame:
    """Of one Jacobian (features, latent_dim); directions that draw nothing are left out."""
    left, strengths, right = torch.linalg.svd(jacobian, full_matrices=False)
    kept = max(1, int((strengths > 1e-6 * strengths[0].clamp(min=1e-12)).sum()))
    return JacobianFrame(left[:, :kept], strengths[:kept], right[:kept])


def estimate_local_dimension(strengths: Tensor) -> Tensor:
    """(sum s^2)^2 / sum s^4 over singular values (..., k): how many directions share the variance, from 1 to k.

    The participation ratio (Gao et al., 2017, A theory of multineuronal dimensionality).
    """
    energy = strengths.square()
    return energy.sum(-1).square() / energy.square().sum(-1).clamp(min=1e-30)


def draw_orthogonal_noise(like: Tensor, basis: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Gaussian noise (N, d) of deviation sigma without what lies in the span of the orthonormal columns (d, k)."""
    noise = sigma * torch.randn(
        like.shape, generator=torch.Generator().manual_seed(seed), dtype=like.dtype
    )
    return noise - (noise @ basis) @ basis.T


@torch.no_grad()
def reconstruction_shift(model: Autoencoder, x: Tensor) -> Tensor:
    """r(x) - x in the data's units, like x (N, *input_shape): where the model moves each point.

    For a denoiser of Gaussian noise about sigma^2 times the score, grad ln p(x) (Alain & Bengio, 2014).
    """
    return model.reconstruct(x.to(model.shift.device)).cpu() - x
