"""Sample quality: Fréchet distance, precision and recall on features of pictures.

The features are those of the small classifier that comes with the package, so the distance is no
FID: it compares models with each other, not with published figures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import decode_in_chunks
from aecore.analysis.densities.base import Density
from aecore.analysis.latent import sample_codes
from aecore.analysis.picture_classifier import (
    CLASSIFIED_ROWS,
    FEATURE_COUNT,
    extract_picture_features,
)
from aecore.errors import CheckpointError, ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig
from aecore.progress import track_progress

QUALITY_PICTURES = 2000  # samples, and as many real pictures
MIN_QUALITY_PICTURES = 2 * FEATURE_COUNT  # of which a covariance of the features can be told
NEIGHBOUR = 3  # whose distance is the radius around a picture


class SampleQuality(NamedTuple):
    """Fréchet distance, precision and recall of samples beside real pictures."""

    frechet: float  # squared units of the features; 0 for equal sets
    precision: float  # share of the samples that lie among the real pictures
    recall: float  # share of the real pictures that lie among the samples
    pictures: int  # samples, and as many real ones


# -- sets of features


def measure_frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the squared Fréchet distance of Gaussians fitted to features (N, d) and (M, d).

    |mean - mean'|^2 + tr(C) + tr(C') - 2 tr((C C')^(1/2)) (Heusel et al., 2017). The last trace is
    the sum of the roots of the eigenvalues of C^(1/2) C' C^(1/2), which is symmetric.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    c, other = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    variances, axes = np.linalg.eigh(c)
    root = axes * np.sqrt(variances.clip(0))  # C = root root^T
    common = np.sqrt(np.linalg.eigvalsh(root.T @ other @ root).clip(0)).sum()
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    return float(max(0.0, shift + np.trace(c) + np.trace(other) - 2 * common))


def measure_coverage(points: Tensor, reference: Tensor) -> float:
    """Returns the share of points (N, d) that lie among reference points (M, d).

    That is within the distance of some reference point to its third neighbour. Precision is the
    share of samples among real pictures, recall the other way round (Kynkäänniemi et al., 2019).
    """
    rank = min(NEIGHBOUR, len(reference) - 1) + 1  # a point is its own nearest
    radii = torch.cdist(reference, reference).kthvalue(rank, dim=1).values
    is_near = torch.cdist(points, reference) <= radii
    return float(is_near.any(1).float().mean())


def compare_features(samples: Tensor, real: Tensor) -> SampleQuality:
    """Returns the quality of samples by their features and those of real pictures, (N, d) both."""
    return SampleQuality(
        measure_frechet_distance(samples.numpy(), real.numpy()),
        measure_coverage(samples, real),
        measure_coverage(real, samples),
        len(samples),
    )


# -- models


def has_picture_features(config: ModelConfig) -> bool:
    """Returns whether the classifier can look at what a model decodes: grey or colour pictures."""
    shape = config.input_shape
    return len(shape) == 3 and shape[0] in (1, 3) and config.scaling == "none"


def draw_real_pictures(x: Tensor) -> Tensor:
    """Draws up to QUALITY_PICTURES of x (N, C, H, W), always the same.

    ConfigError where they are too few.
    """
    if len(x) < MIN_QUALITY_PICTURES:
        raise ConfigError(
            f"Samples are compared with {MIN_QUALITY_PICTURES} pictures or more, got {len(x)}."
        )
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[:QUALITY_PICTURES].to(x.device)].cpu()


def measure_sample_quality(
    model: Autoencoder, real: Tensor, density: Density | None = None, seed: int = 0
) -> SampleQuality:
    """Compares decoded samples with as many real pictures: features (N, 128) of `real`.

    Codes are drawn from the density, or from the prior N(0, I) without one. CheckpointError where
    the model decodes to no numbers.
    """
    z = sample_codes(model, len(real), seed, density)
    parts = track_progress(z.split(CLASSIFIED_ROWS))
    features = torch.cat(
        [extract_picture_features(decode_in_chunks(model, part)) for part in parts]
    )
    if not features.isfinite().all():
        raise CheckpointError("Samples of this model are no numbers. Train it again.")
    return compare_features(features, real)
