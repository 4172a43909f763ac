"""The directions of the latent space in which classes differ."""

from __future__ import annotations

import numpy as np

from aecore.analysis.latent import check_codes, explain_wild_codes, fit_pca

SPREAD_FLOOR = 1e-4  # of the largest variance within classes: no direction counts as narrower
WIDE_CODE = 1024  # units; of wider codes the largest principal components stand for all
FISHER_COMPONENTS, FISHER_ROWS = 256, 4096  # of so many codes


def fit_class_axes(z: np.ndarray, labels: np.ndarray, dims: int = 2) -> tuple[np.ndarray, ...]:
    """Finds the directions in which classes differ most, measured by their own spread.

    These are the discriminants of Fisher (1936), made orthonormal, so that each place between them
    is a code. Fewer classes than `dims` + 1 are told apart by fewer directions: then the largest
    variance across those completes them.

    Args:
        z: Codes (N, latent_dim).
        labels: The class of each, (N,).

    Returns the origin (latent_dim,) and the axes (dims, latent_dim), zero where there are no more.
    """
    check_codes(z)
    if z.shape[1] > WIDE_CODE:
        with explain_wild_codes():
            pca = fit_pca(z[:: max(1, len(z) // FISHER_ROWS)], FISHER_COMPONENTS)
        origin, axes = fit_class_axes(pca.transform(z), labels, dims)
        codes = pca.mean_ + origin @ pca.components_
        return codes.astype(np.float32), (axes @ pca.components_).astype(np.float32)
    z = z.astype(float)
    origin, count = z.mean(0), min(dims, z.shape[1])
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.zeros((len(counts), z.shape[1]))
    np.add.at(centres, places, z)
    centres /= counts[:, None]
    spread = z - centres[places]
    with explain_wild_codes():
        variances, directions = np.linalg.eigh(spread.T @ spread / len(z))
        floor = max(variances.max() * SPREAD_FLOOR, 1e-12)
        whiten = directions / np.sqrt(np.maximum(variances, floor))
        # by QR first: there may be many more classes than units
        between = np.linalg.qr((centres - origin) @ whiten, mode="r")
        _, sizes, discriminants = np.linalg.svd(between, full_matrices=False)
    rank = min(count, int((sizes > 1e-6 * max(sizes[0], 1e-6)).sum()))
    axes = np.linalg.qr(whiten @ discriminants[:rank].T)[0].T
    if rank < count:
        rest = z - origin - (z - origin) @ axes.T @ axes
        axes = np.concatenate([axes, fit_pca(rest, count - rank).components_])
        axes = np.linalg.qr(axes.T)[0].T
    axes = np.pad(axes, ((0, dims - count), (0, 0)))
    return origin.astype(np.float32), axes.astype(np.float32)
