"""Codebooks as running means of the encodings nearest to them.

van den Oord et al. (2017), Neural Discrete Representation Learning, appendix A.1. Vectors that are
hardly used any more begin anew at a current encoding (Dhariwal et al., 2020, Jukebox, section 3).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aecore.model.parts.linear import is_tracing

SMOOTHING = 1e-5  # of the counts, so that none is zero
DISTANCES_AT_ONCE = 2**22  # 16 MB
KMEANS_STEPS = 10
KMEANS_ENCODINGS = 64  # for each centre, at most


class CodebookMeans(nn.Module):
    """Running counts and sums of the encodings nearest to each codebook vector; both are saved."""

    counts: Tensor  # (vectors,) encodings at a step
    sums: Tensor  # (vectors, dim)

    def __init__(self, codebook: Tensor, decay: float, restart_below: float):
        super().__init__()
        self.decay, self.restart_below = decay, restart_below
        self.register_buffer("counts", torch.ones(len(codebook)))
        self.register_buffer("sums", codebook.clone())

    def begin(self, rows: slice, centres: Tensor, counts: Tensor) -> None:
        """Begin some vectors at centres (K, dim) of clusters with so many encodings each (K,)."""
        self.counts[rows] = counts / counts.mean()
        self.sums[rows] = centres * self.counts[rows, None]

    @torch.no_grad()
    def follow(self, codebook: Tensor, encodings: Tensor, indices: Tensor) -> None:
        """Move the codebook (stages * codes, dim) by the encodings of one step, in place.

        These are (stages, M, dim), and the indices of their nearest vectors (stages, M). Several
        processes sum over their encodings; DDP then gives all of them the codebook of the first.
        """
        stages = len(indices)
        first = torch.arange(stages, device=indices.device)[:, None] * (len(codebook) // stages)
        rows, flat = (indices + first).flatten(), encodings.flatten(0, 1)
        counts = torch.zeros_like(self.counts).index_add_(0, rows, self.counts.new_ones(len(rows)))
        sums = torch.zeros_like(self.sums).index_add_(0, rows, flat.to(self.sums.dtype))
        self.counts.lerp_(sum_over_processes(counts), 1 - self.decay)
        self.sums.lerp_(sum_over_processes(sums), 1 - self.decay)
        self.restart_unused(encodings)
        total = self.counts.sum()
        smooth = (self.counts + SMOOTHING) * total / (total + SMOOTHING * len(self.counts))
        codebook.copy_(self.sums / smooth[:, None])

    def restart_unused(self, encodings: Tensor) -> None:
        """Replace vectors used too little by encodings (stages, M, dim), drawn at random.

        They count as used like the mean at first. As many are drawn at each step, whether needed
        or not: so the random numbers that follow do not depend on it, nor waits a GPU for an
        answer.
        """
        if not self.restart_below:
            return
        stages, available, _ = encodings.shape
        drawn = torch.randint(available, (len(self.counts),), device=encodings.device)
        stage = torch.arange(stages, device=drawn.device).repeat_interleave(len(drawn) // stages)
        mean = self.counts.mean()
        is_unused = self.counts < self.restart_below * mean
        fresh = encodings[stage, drawn].to(self.sums.dtype) * mean
        self.sums.copy_(torch.where(is_unused[:, None], fresh, self.sums))
        self.counts.copy_(torch.where(is_unused, mean, self.counts))


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum over the processes that train together; overwrites `values`."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(values)
    return values


def find_nearest_vectors(parts: Tensor, codebook: Tensor) -> Tensor:
    """Return the row of codebook (K, dim) nearest to each of parts (..., dim): (...,) int64.

    In full precision, also where layers multiply in half.
    """
    if is_tracing():  # an export has no place for what depends on the number of parts
        return find_nearest_at_once(parts, codebook)
    flat, rows = parts.flatten(0, -2), max(1, DISTANCES_AT_ONCE // len(codebook))
    with torch.autocast(parts.device.type, enabled=False):
        nearest = [find_nearest_at_once(part, codebook) for part in flat.split(rows)]
    return torch.cat(nearest).view(parts.shape[:-1])


def find_nearest_at_once(parts: Tensor, codebook: Tensor) -> Tensor:
    """Return the same by the distances of all parts to all rows of the codebook."""
    return (codebook.square().sum(1) - 2 * parts @ codebook.T).argmin(-1)


def cluster_encodings(
    encodings: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return k-means centres (count, dim) of encodings (M, dim), and their sizes (count,).

    Lloyd's algorithm from random encodings. Centres without any keep their place.
    """
    order = torch.randperm(len(encodings), generator=generator)[: KMEANS_ENCODINGS * count]
    x = encodings[order.to(encodings.device)]
    centres = x[torch.arange(count, device=x.device) % len(x)]
    sizes = x.new_ones(count)
    for _ in range(KMEANS_STEPS):
        nearest = find_nearest_vectors(x, centres)
        sizes = x.new_zeros(count).index_add_(0, nearest, x.new_ones(len(x)))
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        centres = torch.where(sizes[:, None] > 0, sums / sizes[:, None].clamp(min=1), centres)
    return centres, sizes
