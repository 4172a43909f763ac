"""Indices as bytes, under the probabilities that the model's prior gives them.

The words of the coder hold groups of examples one after another; of a group first the first index
of all its examples, then the second, and so on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aecore.errors import ConfigError
from aecore.model.parts.exact_prior import ExactPrior
from aecore.model.parts.index_prior import TransformerPrior
from aecore.progress import track_progress
from aecore.tasks.range_coder import HEAD, read_head, read_words

MAX_CODED_INDICES = 2**20  # in one file: minutes of one processor


def pack_by_prior(indices: Tensor, prior: TransformerPrior) -> bytes:
    """Return indices (N, parts) as bytes. ConfigError for more than a file may hold."""
    from constriction import stream

    if indices.numel() > MAX_CODED_INDICES:
        raise ConfigError(
            f"These examples have {indices.numel():,} indices; a file coded by the prior holds "
            f"{MAX_CODED_INDICES:,}. Compress them in several files."
        )
    coder, family = stream.queue.RangeEncoder(), stream.model.Categorical(perfect=False)
    exact, rest = ExactPrior(prior), indices.cpu()
    for count in track_progress(list(exact.list_groups(len(indices)))):
        group, rest = rest[:count], rest[count:]
        exact.begin(count)
        previous = None
        for column in group.unbind(1):
            probabilities = exact.step(previous)
            coder.encode(column.numpy().astype(np.int32), family, probabilities.numpy())
            previous = column
    words = coder.get_compressed().astype("<u4").tobytes()
    return HEAD.pack(*indices.shape, len(words)) + words


def unpack_by_prior(data: bytes, prior: TransformerPrior) -> Tensor:
    """Return the indices (N, parts) that `pack_by_prior` wrote, on this machine or another.

    ValueError where it wrote none so long.
    """
    from constriction import stream

    head = read_head(data)
    if head.examples * head.units > MAX_CODED_INDICES:
        raise ValueError(f"it promises more than {MAX_CODED_INDICES:,} indices")
    coder = stream.queue.RangeDecoder(read_words(data, head, HEAD.size))
    family, exact, groups = stream.model.Categorical(perfect=False), ExactPrior(prior), []
    for count in track_progress(list(exact.list_groups(head.examples))):
        exact.begin(count)
        columns: list[Tensor] = []
        for _ in range(head.units):
            probabilities = exact.step(columns[-1] if columns else None).numpy()
            symbols = coder.decode(family, probabilities).astype(np.int64)
            columns.append(torch.from_numpy(symbols))
        groups.append(torch.stack(columns, dim=1))
    return torch.cat(groups)
