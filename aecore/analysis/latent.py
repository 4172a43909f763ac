"""The latent space: codes, maps of them, neighbours, paths between them, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.chunks import CHUNK_ROWS, decode_in_chunks, encode_in_chunks
from aecore.analysis.printed_progress import hear_printed_progress
from aecore.data.splits import as_float
from aecore.errors import CheckpointError, ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.likelihoods.base import sum_cells
from aecore.progress import is_progress_wanted

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

Projection = Literal["classes", "dimensions", "pca", "tsne", "umap"]
# components of the density for models without a prior (Ghosh et al., 2020, RAE, section 4)
MIXTURE_COMPONENTS = 10
DENSITY_DIMS, DENSITY_ROWS = 64, 10_000
MAX_CODE = 1e15  # squares of larger codes, summed, leave the range of float32


def project_codes(z: Tensor, method: Projection, dims: int = 2, seed: int = 0) -> np.ndarray:
    """Returns positions (N, dims) float32 of codes z (N, latent_dim) on a map of 2 or 3 dims."""
    codes = z.numpy().astype(np.float32)
    check_codes(codes)
    if method == "umap":
        return project_by_umap(codes, dims, seed)
    if method == "tsne":
        return project_by_tsne(codes, dims, seed)
    return project_by_pca(codes, dims)


def check_codes(z: np.ndarray) -> None:
    """Raises CheckpointError where codes (N, latent_dim) are not finite, or too large to map."""
    if not (np.abs(z) < MAX_CODE).all():
        raise CheckpointError(
            "The codes overflow: the model's weights are unsound. Train it again."
        )


@contextmanager
def explain_wild_codes() -> Iterator[None]:
    """Turns the error of a method that cannot be fitted to codes into a CheckpointError."""
    try:
        yield
    except (np.linalg.LinAlgError, ValueError) as error:
        raise CheckpointError(
            "The codes spread too wildly to be fitted: the model's weights are unsound. "
            "Train it again."
        ) from error


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


def fit_pca(values: np.ndarray, count: int) -> PCA:
    """Fits at most `count` principal components to rows (N, d).

    Between its steps by QR: SciPy's LU lets no other thread of the server do anything meanwhile.
    """
    from sklearn.decomposition import PCA

    count = min(count, *values.shape)
    return PCA(count, random_state=0, power_iteration_normalizer="QR").fit(values)


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


class Density:
    """A Gaussian mixture over codes, to sample from where a model has no prior."""

    def __init__(self, z: Tensor, seed: int = 0):
        from sklearn.mixture import GaussianMixture

        codes = z.numpy().astype(np.float64)
        check_codes(codes)
        components = max(1, min(MIXTURE_COMPONENTS, len(codes) // 20))
        mixture = GaussianMixture(components, reg_covar=1e-4, random_state=seed)
        with explain_wild_codes():
            self.pca = fit_pca(codes, DENSITY_DIMS)
            self.mixture = mixture.fit(self.pca.transform(codes))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draws n codes (n, latent_dim)."""
        from sklearn.utils import check_random_state

        mixture = copy(self.mixture)  # the fitted one is shared by all visitors
        mixture.random_state = check_random_state(seed)
        drawn, _ = mixture.sample(n)
        order = check_random_state(seed).permutation(n)  # it draws component by component
        return torch.from_numpy(self.pca.inverse_transform(drawn[order]).astype(np.float32))


def fit_density(z: Tensor, seed: int = 0) -> Density:
    """Fits a density to codes z (N, latent_dim), in at most 64 principal directions of them."""
    return Density(z, seed)


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
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(n, model.config.latent_dim, generator=generator)
    return snap_codes(model, density.sample(n, seed))


def sample_examples(
    model: Autoencoder, n: int, seed: int, examples: Callable[[], Tensor]
) -> tuple[Tensor, str]:
    """Draws n new examples (n, *input_shape); returns them, and a name for their distribution.

    `examples` gives training data; it is only called for models without a prior.
    """
    if n < 1:
        raise ConfigError(f"The number of samples must be 1 or more, got {n}.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"The seed must be from 0 to 4294967295, got {seed}.")
    if model.config.has_prior:
        density, source = None, "the prior N(0, I)"
    else:
        density = fit_density(encode_in_chunks(model, choose_density_examples(examples())), 0)
        source = "a Gaussian mixture fitted to the training codes"
    return decode_in_chunks(model, sample_codes(model, n, seed, density)), source
