"""The latent space: codes, maps of them, neighbours, paths between them, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import CHUNK_ROWS, decode_in_chunks
from aecore.analysis.code_fitting import check_codes, explain_wild_codes, fit_pca
from aecore.analysis.densities import DENSITIES
from aecore.analysis.densities.base import Density
from aecore.analysis.densities.fitting import (
    DEFAULT_DENSITY,
    PRIOR_SOURCE,
    draw_training_codes,
    fit_densities,
    fit_density,
)
from aecore.analysis.printed_progress import hear_printed_progress
from aecore.data.splits import as_float
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.likelihoods.base import sum_cells
from aecore.progress import is_progress_wanted

Projection = Literal["classes", "dimensions", "pca", "tsne", "umap"]
BEST_SOURCE = "best"
PRIOR_NAME, LEARNED_PRIOR_NAME = "the prior N(0, I)", "the learned prior of its indices"
DENSITY_ROWS = 10_000  # examples behind a density of codes


def project_codes(z: Tensor, method: Projection, dims: int = 2, seed: int = 0) -> np.ndarray:
    """Returns positions (N, dims) float32 of codes z (N, latent_dim) on a map of 2 or 3 dims."""
    codes = z.numpy().astype(np.float32)
    check_codes(codes)
    if method == "umap":
        return project_by_umap(codes, dims, seed)
    if method == "tsne":
        return project_by_tsne(codes, dims, seed)
    return project_by_pca(codes, dims)


class Plane(NamedTuple):
    """A plane in the latent space: its point (x, y) is the code origin + x axes[0] + y axes[1]."""

    origin: np.ndarray  # (latent_dim,) float32
    # (2, latent_dim) float32, orthonormal; with one latent dimension the second is zero
    axes: np.ndarray

    def positions(self, z: np.ndarray) -> np.ndarray:
        """Returns the points (N, 2) of the plane that are nearest to codes z (N, latent_dim)."""
        return ((z - self.origin) @ self.axes.T).astype(np.float32)

    def codes(self, positions: np.ndarray) -> np.ndarray:
        """Returns the codes (N, latent_dim) of positions (N, 2)."""
        return (self.origin + positions @ self.axes).astype(np.float32)


def fit_principal_plane(z: np.ndarray) -> Plane:
    """Fits the plane through the mean of codes z (N, latent_dim), along their largest variance."""
    check_codes(z)
    with explain_wild_codes():
        pca = fit_pca(z, 2)
    missing = 2 - len(pca.components_)
    axes = np.pad(pca.components_, ((0, missing), (0, 0)))
    return Plane(pca.mean_.astype(np.float32), axes.astype(np.float32))


def make_unit_plane(z: np.ndarray, units: Sequence[int]) -> Plane:
    """Returns the plane along two code units, the others at their mean over z (N, latent_dim)."""
    origin, axes = z.mean(0), np.zeros((2, z.shape[1]), np.float32)
    for axis, unit in zip(axes, dict.fromkeys(units), strict=False):
        axis[unit], origin[unit] = 1, 0
    return Plane(origin.astype(np.float32), axes)


def preserved_neighbour_shares(z: np.ndarray, positions: np.ndarray, k: int = 10) -> np.ndarray:
    """Returns the share (N,) of each code's k nearest that are among its k nearest on the map.

    z (N, latent_dim). The share is low where the map is distorted: neighbours on it are far apart
    in the latent space.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(z) - 1)
    neighbours, mapped = (
        NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)
        for points in (z, positions)
    )
    return (neighbours[:, :, None] == mapped[:, None, :]).any(2).mean(1).astype(np.float32)


def project_by_pca(z: np.ndarray, dims: int) -> np.ndarray:
    """Projects z (N, latent_dim) to its principal components (N, dims), padded with zeros."""
    with explain_wild_codes():
        components = fit_pca(z, dims).transform(z)
    return np.pad(components, ((0, 0), (0, dims - components.shape[1]))).astype(np.float32)


def project_by_tsne(z: np.ndarray, dims: int, seed: int) -> np.ndarray:
    """Projects z (N, latent_dim) by t-SNE (van der Maaten & Hinton, 2008) from PCA positions."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(z) - 1) / 3))
    method = TSNE(
        dims,
        perplexity=perplexity,
        init="pca" if min(z.shape) >= dims else "random",
        random_state=seed,
        verbose=2 if is_progress_wanted() else 0,
    )
    with hear_printed_progress(r"Iteration (\d+):", method.max_iter):
        return method.fit_transform(z).astype(np.float32)


def project_by_umap(z: np.ndarray, dims: int, seed: int) -> np.ndarray:
    """Projects z (N, latent_dim) by UMAP (McInnes et al., 2018), reproducibly by its seed.

    ConfigError for too few points.
    """
    if len(z) < dims + 3:
        raise ConfigError(f"UMAP needs at least {dims + 3} points, got {len(z)}. Use PCA.")
    from umap import UMAP

    method = UMAP(
        n_components=dims,
        n_neighbors=min(15, len(z) - 1),
        random_state=seed,
        n_jobs=1,
        verbose=is_progress_wanted(),
        tqdm_kwds={"bar_format": "{percentage:.0f} percent "},
    )
    with hear_printed_progress(r"(\d+) percent", 100):
        return np.asarray(method.fit_transform(z), dtype=np.float32)


@torch.no_grad()
def decoding_errors(model: Autoencoder, x: Tensor, z: Tensor) -> Tensor:
    """Returns the squared error (N,) of each input's decoded code, summed over features.

    x (N, *input_shape), z (N, latent_dim); in the network's units, on the CPU.
    """
    device = model.shift.device
    errors = []
    for inputs, codes in zip(x.split(CHUNK_ROWS), z.split(CHUNK_ROWS), strict=True):
        inputs = as_float(inputs).to(device)
        decoded = decode_in_chunks(model, codes).to(device)
        difference = model.to_scaled(decoded) - model.to_scaled(inputs)
        errors.append(sum_cells(difference.square(), inputs, model.observed(inputs)).cpu())
    return torch.cat(errors)


def interpolate_codes(start: Tensor, end: Tensor, steps: int, path: str = "linear") -> Tensor:
    """Returns codes (steps, latent_dim) on the way from start to end (latent_dim,), ends included.

    The path is linear, or spherical: along the great circle, with the length changing evenly
    (White, 2016, Sampling Generative Networks), so that codes far from the origin stay as far.
    """
    if steps < 2:
        raise ConfigError(f"An interpolation needs 2 steps or more, got {steps}.")
    t = torch.linspace(0, 1, steps, dtype=start.dtype)[:, None]
    straight = start + t * (end - start)
    if path != "spherical":
        return straight
    first, last = start.norm(), end.norm()
    if min(first, last) < 1e-8:
        return straight  # no direction to turn from
    cosine = (start @ end / (first * last)).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle.sin() < 1e-6:
        return straight
    a, b = torch.sin((1 - t) * angle) / angle.sin(), torch.sin(t * angle) / angle.sin()
    return (a * start / first + b * end / last) * (first + t * (last - first))


def find_nearest_codes(z: Tensor, row: int, count: int = 8) -> Tensor:
    """Returns the rows of z (N, latent_dim) nearest to `row`, nearest first, without itself."""
    distances = (z - z[row]).square().sum(1)
    distances[row] = torch.inf
    return distances.topk(min(count, len(z) - 1), largest=False).indices


def order_dimensions(z: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the dimensions of z (N, latent_dim), the most varying first, and their deviations."""
    deviation = z.std(0, correction=0)
    return deviation.argsort(descending=True, stable=True), deviation


@torch.no_grad()
def snap_codes(model: Autoencoder, z: Tensor) -> Tensor:
    """Returns the valid codes nearest to z (N, latent_dim), on the CPU.

    Valid are k active units or codebook vectors; without such a bottleneck all codes are.
    """
    return model.bottleneck.snap(z.to(model.shift.device)).cpu()


def walk_dimension(z: Tensor, dimension: int, values: Tensor) -> Tensor:
    """Returns z (latent_dim,) with one dimension set to each value: (len(values), latent_dim)."""
    codes = z.repeat(len(values), 1)
    codes[:, dimension] = values
    return codes


def choose_density_examples(x: Tensor) -> Tensor:
    """Returns up to 10,000 examples of x to fit a density to, from all over the set.

    Sets may be sorted by class.
    """
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[:DENSITY_ROWS]]


@torch.no_grad()
def sample_codes(model: Autoencoder, n: int, seed: int, density: Density | None) -> Tensor:
    """Draws n codes (n, latent_dim): from the prior without a density, else valid codes from it."""
    if density is None:
        return model.draw_codes(n, seed).cpu()
    return snap_codes(model, density.sample(n, seed))


def sample_examples(
    model: Autoencoder, n: int, seed: int, examples: Callable[[], Tensor], source: str = ""
) -> tuple[Tensor, str]:
    """Draws n new examples (n, *input_shape); returns them, and a name for their distribution.

    `source` is that of `fit_code_source`. `examples` gives training data; it is only called where
    a density is fitted to their codes.
    """
    if n < 1:
        raise ConfigError(f"The number of samples must be 1 or more, got {n}.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"The seed must be from 0 to 4294967295, got {seed}.")
    density, name = fit_code_source(model, examples, source)
    return decode_in_chunks(model, sample_codes(model, n, seed, density)), name


def fit_code_source(
    model: Autoencoder, examples: Callable[[], Tensor], source: str = ""
) -> tuple[Density | None, str]:
    """Returns what codes are drawn from, None for the prior, and its name.

    `source` is "prior", a kind of density, or "best": that with the highest log density of codes
    held out. By default it is the prior, or a mixture where the model has none.
    """
    if source not in ("", PRIOR_SOURCE, BEST_SOURCE, *DENSITIES):
        known = ", ".join((PRIOR_SOURCE, *DENSITIES, BEST_SOURCE))
        raise ConfigError(f"Nothing is drawn from {source[:80]!r}. Choose one of: {known}.")
    if source in ("", PRIOR_SOURCE) and model.has_prior:
        return None, PRIOR_NAME if model.prior is None else LEARNED_PRIOR_NAME
    if source == PRIOR_SOURCE:
        raise ConfigError(
            f"{model.config.variant} has no prior to sample from. Sample from a density of its "
            f"codes: {', '.join(DENSITIES)} or {BEST_SOURCE}."
        )
    codes = draw_training_codes(model, choose_density_examples(examples()))
    if source == BEST_SOURCE:
        fitted = fit_densities(codes, has_prior=model.config.has_prior)
        density = fitted.by_kind.get(fitted.best_kind)
    else:
        density = fit_density(codes, kind=source or DEFAULT_DENSITY)
    name = f"a {density.label} fitted to the training codes" if density else PRIOR_NAME
    return density, name
