"""Search by example: the items of a collection whose codes are nearest to a query's. Exact, no index to build.

|q - c|^2 = |q|^2 - 2 q.c + |c|^2, the last term kept: one matrix-vector product a query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.data.splits import as_float
from aecore.errors import DataError

DISTANCES_AT_ONCE = 500  # queries


class Neighbours(NamedTuple):
    """The nearest of each query, nearest first."""

    rows: Tensor  # (Q, k) int64, in the collection
    distances: Tensor  # (Q, k) Euclidean, between codes


@dataclass(frozen=True)
class SearchIndex:
    """A collection by its vectors."""

    vectors: Tensor  # (M, d) float32
    norms: Tensor  # (M,) squared lengths, after `centre` was taken away
    centre: Tensor  # (d,): far from zero the differences of large squares would lose digits

    def nearest(self, queries: Tensor, k: int = 10) -> Neighbours:
        """Of queries (Q, d), at most M found."""
        if queries.dim() != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise DataError(
                f"Queries must have shape (N, {self.vectors.shape[1]}), got {tuple(queries.shape)}."
            )
        if not queries.isfinite().all():
            raise DataError("The query holds NaN or infinite values. Choose another.")
        k = min(k, len(self.vectors))
        found = [
            self.part(part - self.centre, k) for part in queries.float().split(DISTANCES_AT_ONCE)
        ]
        return Neighbours(
            torch.cat([rows for rows, _ in found]), torch.cat([distances for _, distances in found])
        )

    def part(self, queries: Tensor, k: int) -> Neighbours:
        squared = torch.addmm(self.norms[None], queries, self.vectors.T, alpha=-2)
        values, rows = squared.topk(k, dim=1, largest=False)
        return Neighbours(
            rows, (values + queries.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
        )


def build_index(vectors: Tensor) -> SearchIndex:
    """Of vectors (M, d): codes, pixels, or whatever is to be compared by distance."""
    if vectors.dim() != 2 or not len(vectors):
        raise DataError(
            f"A collection must have shape (N, features) with N of 1 or more, got {tuple(vectors.shape)}."
        )
    if not vectors.isfinite().all():
        raise DataError("The collection holds NaN or infinite values. Remove or fill them.")
    vectors = vectors.float()
    centre = vectors.mean(0)
    vectors = (vectors - centre).contiguous()
    return SearchIndex(vectors, vectors.square().sum(1), centre)


class RetrievalScore(NamedTuple):
    """How often what is found is of the query's class."""

    first: float  # share of queries whose nearest is
    precision: float  # mean share of the k nearest that are
    k: int


def score_retrieval(
    vectors: Tensor, y: Tensor, queries: Tensor, query_y: Tensor, k: int = 10
) -> RetrievalScore:
    """Search with queries (Q, d) of classes (Q,) in a collection (M, d) of classes (M,)."""
    right = match_classes(vectors, y, queries, query_y, k).float()
    return RetrievalScore(right[:, 0].mean().item(), right.mean().item(), right.shape[1])


def match_classes(
    vectors: Tensor, y: Tensor, queries: Tensor, query_y: Tensor, k: int = 10
) -> Tensor:
    """bool (Q, k): whether what is found, nearest first, is of the query's class; arguments as for `score`."""
    if len(y) != len(vectors) or len(query_y) != len(queries):
        raise DataError(
            f"Every vector needs a class: {len(vectors)} have {len(y)}, {len(queries)} queries {len(query_y)}."
        )
    return y[build_index(vectors).nearest(queries, k).rows] == query_y[:, None]


def scan_nearest(x: Tensor, query: Tensor, k: int = 10) -> Neighbours:
    """The nearest of examples (M, ...) to a query (1, ...) by raw values, without a copy of them all in memory."""
    wanted, parts = as_float(query).flatten(1), []
    for part in x.split(DISTANCES_AT_ONCE * 10):
        parts.append(torch.linalg.vector_norm(as_float(part).flatten(1) - wanted, dim=1))
    distances, rows = torch.cat(parts).topk(min(k, len(x)), largest=False)
    return Neighbours(rows[None], distances[None])


class PrincipalCode(NamedTuple):
    """The linear code of the same size."""

    mean: Tensor  # (features,)
    basis: Tensor  # (features, units)

    def encode(self, x: Tensor) -> Tensor:
        """Examples (N, ...) -> (N, units)."""
        return torch.cat(
            [
                (as_float(part).flatten(1) - self.mean) @ self.basis
                for part in x.split(DISTANCES_AT_ONCE * 10)
            ]
        )


def fit_principal_code(x: Tensor, units: int) -> PrincipalCode:
    """As many principal components of examples (N, ...) as there are, at most `units`."""
    from sklearn.decomposition import PCA

    flat = as_float(x).flatten(1)
    pca = PCA(min(units, *flat.shape), random_state=0).fit(flat.numpy())
    return PrincipalCode(
        torch.from_numpy(pca.mean_).float(), torch.from_numpy(pca.components_.T.copy()).float()
    )


def build_baseline_indexes(
    train: Tensor, test: Tensor, units: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """What else one could compare by: raw values, and as many principal components as the model has units."""
    pca = fit_principal_code(train, units)
    return {
        "raw values": (as_float(train).flatten(1), as_float(test).flatten(1)),
        f"PCA, {pca.basis.shape[1]}": (pca.encode(train), pca.encode(test)),
    }
