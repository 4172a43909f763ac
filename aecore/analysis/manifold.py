"""The manifold that a model learned: Jacobians, tangent directions and the local dimension.

The decoder's image g(z) is the manifold itself: at g(z) its tangent space is spanned by the columns
of dg/dz. The encoder's Jacobian df/dx shows which changes of the input move the code. A denoiser's
r(x) - x points back to where the data are dense (Alain & Bengio, 2014, What Regularized
Auto-Encoders Learn from the Data-Generating Distribution).
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from aecore.analysis.chunks import decode_in_chunks, encode_in_chunks, iterate_chunks
from aecore.model.autoencoder import Autoencoder

FEW_ROWS = 20  # Jacobians at a time: a wide one takes megabytes
CURVE_POINTS, SURFACE_SIDE = 200, 60  # decoded codes of a curve, and along a side of a surface
NEAR_CODES = 0.06  # of the codes' range: the surface is drawn where a code is so near
FORWARD_MODE = threading.Lock()  # torch takes a second thread's for a nested one, and refuses it


def compute_encoder_jacobians(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns dz/dx (N, latent_dim, features) of the code at x (N, *input_shape).

    Before the bottleneck, in the network's units, without noise, by reverse mode.
    """
    jacobian = vmap(jacrev(lambda example: model.encode_scaled(example[None])[0]))
    parts = [
        jacobian(part).flatten(2)
        for batch, _ in iterate_chunks(model, x)
        for part in batch.split(FEW_ROWS)
    ]
    return torch.cat(parts)


def compute_jacobian_norms(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns |dz/dx|_F at each x (N,), which a contractive autoencoder keeps small.

    Rifai et al. (2011), Contractive Auto-Encoders.
    """
    jacobians = (compute_encoder_jacobians(model, part) for part in x.split(FEW_ROWS))
    return torch.cat([jacobian.flatten(1).norm(dim=1) for jacobian in jacobians])


def compute_tangents(model: Autoencoder, x: Tensor, count: int) -> Tensor:
    """Returns the `count` input directions that move the code most: (N, count, features).

    Orthonormal, the leading right singular vectors of the encoder's Jacobian: an estimate of the
    tangent space of the data's manifold at each x (Rifai et al., 2011, The Manifold Tangent
    Classifier).
    """
    tangents = []
    for part in x.split(FEW_ROWS):
        jacobian = compute_encoder_jacobians(model, part)
        eigenvectors = torch.linalg.eigh(jacobian.mT @ jacobian).eigenvectors
        tangents.append(eigenvectors[..., -count:].flip(-1).mT)
    return torch.cat(tangents)


def compute_image_tangents(x: Tensor) -> Tensor:
    """Returns how an image changes when it is moved a little: unit vectors (N, 6, C * H * W).

    By finite differences of x (N, C, H, W): the two shifts, rotation, scaling, and the two
    hyperbolic deformations of Simard et al. (1992).
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
    """Returns the share (N,) of the energy of directions (N, m, d) that a basis (N, k, d) spans.

    The basis is orthonormal.
    """
    inside = (directions @ basis.mT).square().sum((1, 2))
    return inside / directions.square().sum((1, 2)).clamp(min=1e-12)


@torch.no_grad()
def compute_decoder_jacobians(model: Autoencoder, z: Tensor) -> Tensor:
    """Returns dx^/dz (N, features, latent_dim) of the likelihood's mean at codes z (N, latent_dim).

    On the CPU, in the network's units, by forward mode. Units that are off in a k-sparse code stay
    off: their columns are zero.
    """

    def decode_one(code: Tensor) -> Tensor:
        return model.likelihood.mean(model.decoder(code[None]))[0].flatten()

    jacobian = vmap(jacfwd(decode_one))
    rows = max(1, FEW_ROWS * 1024 // model.config.features)
    with FORWARD_MODE, sdpa_kernel(SDPBackend.MATH):  # other kernels of attention have no tangents
        parts = [jacobian(part.to(model.shift.device)).cpu() for part in z.split(rows)]
    jacobians = torch.cat(parts)
    if model.config.bottleneck.is_sparse:
        return jacobians * (z != 0)[:, None].to(jacobians.dtype)
    return jacobians


class JacobianFrame(NamedTuple):
    """The singular value decomposition of a decoder's Jacobian, the strongest direction first."""

    inputs: Tensor  # (features, k) orthonormal: the tangent directions
    strengths: Tensor  # (k,)
    codes: Tensor  # (k, latent_dim) orthonormal: the change of the code that draws each


def decompose_jacobian(jacobian: Tensor) -> JacobianFrame:
    """Decomposes one Jacobian (features, latent_dim), without directions that draw nothing."""
    left, strengths, right = torch.linalg.svd(jacobian, full_matrices=False)
    rank = max(1, int((strengths > 1e-6 * strengths[0].clamp(min=1e-12)).sum()))
    return JacobianFrame(left[:, :rank], strengths[:rank], right[:rank])


def estimate_local_dimension(strengths: Tensor) -> Tensor:
    """Returns how many directions share the variance, from 1 to k, by singular values s (..., k).

    (sum s^2)^2 / sum s^4: the participation ratio (Gao et al., 2017, A theory of multineuronal
    dimensionality).
    """
    energy = strengths.square()
    return energy.sum(-1).square() / energy.square().sum(-1).clamp(min=1e-30)


def compute_local_dimensions(jacobians: Tensor) -> Tensor:
    """Returns `estimate_local_dimension` of each Jacobian J (N, features, latent_dim), sooner.

    No singular values are needed: sum s^2 is the trace of J^T J, and sum s^4 its squared norm.
    """
    products = jacobians.mT @ jacobians
    trace = products.diagonal(dim1=1, dim2=2).sum(1)
    return trace.square() / products.square().sum((1, 2)).clamp(min=1e-30)


def draw_orthogonal_noise(like: Tensor, basis: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Draws Gaussian noise (N, d) of deviation sigma, orthogonal to the columns of a basis (d, k).

    The columns are orthonormal; shape and type are those of `like`.
    """
    noise = sigma * torch.randn(
        like.shape, generator=torch.Generator().manual_seed(seed), dtype=like.dtype
    )
    return noise - (noise @ basis) @ basis.T


@torch.no_grad()
def reconstruction_shift(model: Autoencoder, x: Tensor) -> Tensor:
    """Returns r(x) - x, like x (N, *input_shape) in the data's units: how each point is moved.

    For a denoiser of Gaussian noise about sigma^2 times the score, grad ln p(x) (Alain & Bengio,
    2014).
    """
    return model.reconstruct(x.to(model.shift.device)).cpu() - x


def decode_sheet(model: Autoencoder, x: Tensor) -> np.ndarray | None:
    """Returns the decoded codes over the range of those of x (N, features).

    That is a curve (n, features), or a surface (n, n, 3) with NaN where there are no codes. It is
    None for wider codes.
    """
    dims = model.config.latent_dim
    if dims > 2 or (dims == 2 and x.shape[1] != 3):
        return None
    z = encode_in_chunks(model, x)
    low, high = z.quantile(0.01, 0), z.quantile(0.99, 0)
    if dims == 1:
        codes = torch.linspace(0, 1, CURVE_POINTS)[:, None] * (high - low) + low
        return decode_in_chunks(model, codes).numpy()
    steps = torch.linspace(0, 1, SURFACE_SIDE)
    codes = torch.cartesian_prod(steps, steps) * (high - low) + low
    distances = torch.cdist((codes - low) / (high - low), (z - low) / (high - low)).amin(1)
    is_near = (distances < NEAR_CODES)[:, None]
    sheet = torch.where(is_near, decode_in_chunks(model, codes), torch.nan)
    return sheet.view(SURFACE_SIDE, SURFACE_SIDE, 3).numpy()
