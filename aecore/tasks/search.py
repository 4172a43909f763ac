"""Search by example: the items of a collection whose codes are nearest to a query's.

The search is exact, without an index to build: |q - c|^2 = |q|^2 - 2 q.c + |c|^2, the last term
stored, is one matrix-vector product per query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from aecore.analysis.latent import fit_pca
from aecore.data.splits import as_float
from aecore.errors import DataError

QUERIES_AT_ONCE = 500
EXAMPLES_AT_ONCE = 5000


class Neighbours(NamedTuple):
    """The nearest items of each query, nearest first."""

    rows: Tensor  # (Q, k) int64, in the collection
    distances: Tensor  # (Q, k) Euclidean, between codes


@dataclass(frozen=True)
class SearchIndex:
    """A collection by its vectors."""

    vectors: Tensor  # (M, d) float32, less `centre`
    norms: Tensor  # (M,) squared lengths of `vectors`
    centre: Tensor  # (d,): far from zero the differences of large squares would lose digits

    def find_nearest(self, queries: Tensor, k: int = 10) -> Neighbours:
        """Return the k nearest items, at most M, of queries (Q, d).

        DataError for other shapes or NaN.
        """
        if queries.dim() != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise DataError(
                f"Queries must have shape (N, {self.vectors.shape[1]}), got {tuple(queries.shape)}."
            )
        if not queries.isfinite().all():
            raise DataError("The query holds NaN or infinite values. Choose another.")
        k = min(k, len(self.vectors))
        batches = queries.float().split(QUERIES_AT_ONCE)
        results = [self.search_batch(batch - self.centre, k) for batch in batches]
        return Neighbours(
            torch.cat([result.rows for result in results]),
            torch.cat([result.distances for result in results]),
        )

    def search_batch(self, queries: Tensor, k: int) -> Neighbours:
        """Return the k nearest items of a few centred queries (Q, d)."""
        squared = torch.addmm(self.norms[None], queries, self.vectors.T, alpha=-2)
        values, rows = squared.topk(k, dim=1, largest=False)
        squared_distances = values + queries.square().sum(1, keepdim=True)
        return Neighbours(rows, squared_distances.clamp(min=0).sqrt())


def build_index(vectors: Tensor) -> SearchIndex:
    """Return the index of vectors (M, d): codes, pixels, or whatever is compared by distance.

    DataError for other shapes, none at all, or NaN.
    """
    if vectors.dim() != 2 or not len(vectors):
        raise DataError(
            "A collection must have shape (N, features) with N of 1 or more, "
            f"got {tuple(vectors.shape)}."
        )
    if not vectors.isfinite().all():
        raise DataError("The collection holds NaN or infinite values. Remove or fill them.")
    vectors = vectors.float()
    centre = vectors.mean(0)
    vectors = (vectors - centre).contiguous()
    return SearchIndex(vectors, vectors.square().sum(1), centre)


def scan_nearest(x: Tensor, query: Tensor, k: int = 10) -> Neighbours:
    """Return the k examples of x (M, ...) nearest to a query (1, ...), by raw values.

    No copy of them all is made.
    """
    flat_query = as_float(query).flatten(1)
    parts = [
        torch.linalg.vector_norm(as_float(part).flatten(1) - flat_query, dim=1)
        for part in x.split(EXAMPLES_AT_ONCE)
    ]
    distances, rows = torch.cat(parts).topk(min(k, len(x)), largest=False)
    return Neighbours(rows[None], distances[None])


# -- how often results are of the query's class


class RetrievalScore(NamedTuple):
    """Retrieval precision: the share of results of the query's class."""

    precision_at_1: float  # of the nearest
    precision_at_k: float  # of the k nearest, mean over queries
    k: int


def score_retrieval(
    vectors: Tensor, y: Tensor, queries: Tensor, query_y: Tensor, k: int = 10
) -> RetrievalScore:
    """Search with queries (Q, d) of classes (Q,) in a collection (M, d) of classes (M,)."""
    matches = match_classes(vectors, y, queries, query_y, k).float()
    return RetrievalScore(matches[:, 0].mean().item(), matches.mean().item(), matches.shape[1])


def match_classes(
    vectors: Tensor, y: Tensor, queries: Tensor, query_y: Tensor, k: int = 10
) -> Tensor:
    """Return bool (Q, k): whether each result, nearest first, is of the query's class.

    Arguments as for `score_retrieval`. DataError where a vector has no class.
    """
    if len(y) != len(vectors) or len(query_y) != len(queries):
        raise DataError(
            f"Every vector needs a class: {len(vectors)} have {len(y)}, "
            f"{len(queries)} queries {len(query_y)}."
        )
    return y[build_index(vectors).find_nearest(queries, k).rows] == query_y[:, None]


# -- what to compare codes with


class PrincipalCode(NamedTuple):
    """Principal components as a linear code."""

    mean: Tensor  # (features,)
    basis: Tensor  # (features, units)

    def encode(self, x: Tensor) -> Tensor:
        """Return the components (N, units) of examples x (N, ...)."""
        parts = x.split(EXAMPLES_AT_ONCE)
        return torch.cat([(as_float(part).flatten(1) - self.mean) @ self.basis for part in parts])


def fit_principal_code(x: Tensor, units: int) -> PrincipalCode:
    """Fit at most `units` principal components to examples x (N, ...)."""
    pca = fit_pca(as_float(x).flatten(1).numpy(), units)
    return PrincipalCode(
        torch.from_numpy(pca.mean_).float(), torch.from_numpy(pca.components_.T.copy()).float()
    )


def make_baseline_vectors(
    train: Tensor, test: Tensor, units: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return {name: (training, test)} vectors: raw values, and `units` principal components."""
    pca = fit_principal_code(train, units)
    return {
        "raw values": (as_float(train).flatten(1), as_float(test).flatten(1)),
        f"PCA, {pca.basis.shape[1]}": (pca.encode(train), pca.encode(test)),
    }
