"""The latent space: codes, maps of them, neighbours, paths between them, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.analysis.metrics import CHUNK_ROWS, decode_in_chunks, encode_in_chunks
from aecore.data.splits import as_float
from aecore.errors import ConfigError
from aecore.model.autoencoder import Autoencoder
from aecore.model.parts.likelihood import sum_cells

Projection = Literal["dimensions", "pca", "tsne", "umap"]
MIXTURE = (
    10  # components of the density for models without a prior (Ghosh et al., 2020, RAE, section 4)
)
DENSITY_DIMS, DENSITY_ROWS = 64, 10_000


encode_codes = encode_in_chunks
decode_codes = decode_in_chunks


def project_codes(z: Tensor, method: Projection, dims: int = 2, seed: int = 0) -> np.ndarray:
    """Codes (N, latent_dim) -> positions (N, dims) float32, dims 2 or 3, on a map."""
    z_np = z.numpy().astype(np.float32)
    if method == "umap":
        return project_by_umap(z_np, dims, seed)
    if method == "tsne":
        return project_by_tsne(z_np, dims, seed)
    return project_by_pca(z_np, dims)


class Plane(NamedTuple):
    """A plane in the space of codes: the point (x, y) on it is the code origin + x axes[0] + y axes[1]."""

    origin: np.ndarray  # (latent_dim,) float32
    axes: (
        np.ndarray
    )  # (2, latent_dim) float32, orthonormal; of a code of one unit the second is zero

    def positions(self, z: np.ndarray) -> np.ndarray:
        """Codes (N, latent_dim) -> (N, 2), their nearest points on the plane."""
        return ((z - self.origin) @ self.axes.T).astype(np.float32)

    def codes(self, positions: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N, latent_dim)."""
        return (self.origin + positions @ self.axes).astype(np.float32)


def fit_principal_plane(z: np.ndarray) -> Plane:
    """Through the mean of the codes z (N, latent_dim), along their largest variance."""
    from sklearn.decomposition import PCA

    fitted = PCA(min(2, *z.shape), random_state=0).fit(z)
    missing = 2 - len(fitted.components_)
    axes = np.pad(fitted.components_, ((0, missing), (0, 0)))
    return Plane(fitted.mean_.astype(np.float32), axes.astype(np.float32))


def make_unit_plane(z: np.ndarray, units: Sequence[int]) -> Plane:
    """Along two code units: the others are at their mean over z (N, latent_dim)."""
    origin, axes = z.mean(0), np.zeros((2, z.shape[1]), np.float32)
    for axis, unit in zip(axes, dict.fromkeys(units), strict=False):
        axis[unit], origin[unit] = 1, 0
    return Plane(origin.astype(np.float32), axes)


def preserved_neighbour_shares(z: np.ndarray, positions: np.ndarray, k: int = 10) -> np.ndarray:
    """(N,): which share of each point's k nearest codes, of z (N, latent_dim), is among its k nearest on the map.

    Low where the map lies: a neighbour on it is none in the code space.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(z) - 1)
    near = [
        NearestNeighbors(n_neighbors=k).fit(part).kneighbors(return_distance=False)
        for part in (z, positions)
    ]
    return (near[0][:, :, None] == near[1][:, None, :]).any(2).mean(1).astype(np.float32)


def project_by_pca(z: np.ndarray, dims: int) -> np.ndarray:
    """Principal components; a code narrower than the map is padded with zeros."""
    from sklearn.decomposition import PCA

    count = min(dims, *z.shape)
    placed = PCA(count, random_state=0).fit_transform(z)
    return np.pad(placed, ((0, 0), (0, dims - count))).astype(np.float32)


def project_by_tsne(z: np.ndarray, dims: int, seed: int) -> np.ndarray:
    """van der Maaten & Hinton (2008), from PCA positions."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(z) - 1) / 3))
    method = TSNE(
        dims,
        perplexity=perplexity,
        init="pca" if min(z.shape) >= dims else "random",
        random_state=seed,
    )
    return method.fit_transform(z).astype(np.float32)


def project_by_umap(z: np.ndarray, dims: int, seed: int) -> np.ndarray:
    """McInnes et al. (2018); reproducible by its seed. ConfigError for too few points."""
    if len(z) < dims + 3:
        raise ConfigError(f"UMAP needs at least {dims + 3} points, got {len(z)}. Use PCA.")
    import umap as library

    method = library.UMAP(
        n_components=dims, n_neighbors=min(15, len(z) - 1), random_state=seed, n_jobs=1
    )
    return np.asarray(method.fit_transform(z), dtype=np.float32)


@torch.no_grad()
def decoding_errors(model: Autoencoder, x: Tensor, z: Tensor) -> Tensor:
    """Squared error (N,) of each input's decoded code, summed over features, in the network's units; in chunks."""

    def part(x: Tensor, z: Tensor) -> Tensor:
        x = as_float(x).to(device)
        difference = model.to_scaled(decode_codes(model, z).to(device)) - model.to_scaled(x)
        return sum_cells(difference.square(), x, model.observed(x)).cpu()

    device = model.shift.device
    return torch.cat(
        [part(*pair) for pair in zip(x.split(CHUNK_ROWS), z.split(CHUNK_ROWS), strict=True)]
    )


def interpolate_codes(start: Tensor, end: Tensor, steps: int, path: str = "linear") -> Tensor:
    """Codes on the way from start to end (latent_dim,) each -> (steps, latent_dim), both ends included.

    spherical: along the great circle, with the length changing evenly (White, 2016, Sampling
    Generative Networks); codes far from the origin stay as far from it.
    """
    if steps < 2:
        raise ConfigError(f"An interpolation needs 2 steps or more, got {steps}.")
    t = torch.linspace(0, 1, steps, dtype=start.dtype)[:, None]
    straight = start + t * (end - start)
    if path != "spherical":
        return straight
    lengths = start.norm(), end.norm()
    if min(lengths) < 1e-8:
        return straight  # no direction to turn from
    cosine = (start @ end / (lengths[0] * lengths[1])).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle.sin() < 1e-6:
        return straight
    a, b = torch.sin((1 - t) * angle) / angle.sin(), torch.sin(t * angle) / angle.sin()
    return (a * start / lengths[0] + b * end / lengths[1]) * (
        lengths[0] + t * (lengths[1] - lengths[0])
    )


def find_nearest_codes(z: Tensor, row: int, count: int = 8) -> Tensor:
    """The rows of z (N, latent_dim) whose codes are nearest to that of `row`, nearest first, without itself."""
    distances = (z - z[row]).square().sum(1)
    distances[row] = torch.inf
    return distances.topk(min(count, len(z) - 1), largest=False).indices


def order_dimensions(z: Tensor) -> tuple[Tensor, Tensor]:
    """Dimensions of z (N, latent_dim), the most varying first, and the deviation of each dimension (latent_dim,)."""
    deviation = z.std(0, correction=0)
    return deviation.argsort(descending=True, stable=True), deviation


@torch.no_grad()
def snap_codes(model: Autoencoder, z: Tensor) -> Tensor:
    """The valid codes nearest to z (N, latent_dim): k active units, codebook vectors; elsewhere z itself."""
    return model.bottleneck.snap(z.to(model.shift.device)).cpu()


def walk_dimension(z: Tensor, dimension: int, values: Tensor) -> Tensor:
    """z (latent_dim,) with one dimension set to each value: (len(values), latent_dim)."""
    walked = z.repeat(len(values), 1)
    walked[:, dimension] = values
    return walked


class Density:
    """A Gaussian mixture over codes: what to sample from where a model has no prior."""

    def __init__(self, z: Tensor, seed: int = 0):
        from sklearn.decomposition import PCA
        from sklearn.mixture import GaussianMixture

        z_np = z.numpy().astype(np.float64)
        self.pca = PCA(min(DENSITY_DIMS, *z_np.shape), random_state=0).fit(z_np)
        components = max(1, min(MIXTURE, len(z_np) // 20))
        mixture = GaussianMixture(components, reg_covar=1e-4, random_state=seed)
        self.mixture = mixture.fit(self.pca.transform(z_np))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n codes (n, latent_dim)."""
        from sklearn.utils import check_random_state

        mixture = copy(self.mixture)  # the fitted one is shared by all visitors
        mixture.random_state = check_random_state(seed)
        drawn, _ = mixture.sample(n)
        order = check_random_state(seed).permutation(n)  # it draws component by component
        return torch.from_numpy(self.pca.inverse_transform(drawn[order]).astype(np.float32))


def fit_density(z: Tensor, seed: int = 0) -> Density:
    """A density of codes (N, latent_dim), at most 64 principal directions of them."""
    return Density(z, seed)


def choose_density_examples(x: Tensor) -> Tensor:
    """Examples to fit a density to: up to 10,000, from all over the set, which may be sorted by class."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:DENSITY_ROWS]]


@torch.no_grad()
def sample_codes(model: Autoencoder, n: int, seed: int, density: Density | None) -> Tensor:
    """n codes: from the prior where the model has one, else from the density, as valid codes."""
    if density is None:
        return torch.randn(
            n, model.config.latent_dim, generator=torch.Generator().manual_seed(seed)
        )
    return snap_codes(model, density.sample(n, seed))


def sample_examples(
    model: Autoencoder, n: int, seed: int, examples: Callable[[], Tensor]
) -> tuple[Tensor, str]:
    """n new examples (n, *input_shape), and what they were drawn from, in words.

    `examples` gives training data; it is only called for models without a prior.
    """
    if n < 1:
        raise ConfigError(f"The number of samples must be 1 or more, got {n}.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"The seed must be from 0 to 4294967295, got {seed}.")
    density = (
        None
        if model.config.has_prior
        else fit_density(encode_codes(model, choose_density_examples(examples())), 0)
    )
    source = (
        "the prior N(0, I)"
        if density is None
        else "a Gaussian mixture fitted to the training codes"
    )
    return decode_codes(model, sample_codes(model, n, seed, density)), source
