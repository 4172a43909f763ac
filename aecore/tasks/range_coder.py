"""Codes as bytes: rounded to levels, which a range coder (Martin, 1979) writes.

Levels of a unit are coded under a normal distribution, whose mean and deviation the bytes hold;
indices, such as those of a codebook, in log2(levels) bits each.

    head      examples, units (or indices of an example), bytes of the coded words
    table     three times `units` float16: step, mean and deviation of each unit; not for indices
    words     what the coder wrote, as uint32
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.errors import ConfigError

HEAD = struct.Struct("<IHI")
TABLE_BYTES = 6  # of a unit
LEVEL_LIMIT = 1 << 14  # levels on either side of zero
MIN_DEVIATION, MAX_DEVIATION = 0.05, 6e4  # levels


class CodeHead(NamedTuple):
    """The first bytes of packed codes."""

    examples: int
    units: int  # of a code, or indices
    length: int  # bytes of the coded words


def pack_codes(z: Tensor, steps: Tensor) -> bytes:
    """Round codes z (N, d) to multiples of steps (d,) and return them as bytes.

    ConfigError where steps are too small or too large.
    """
    with np.errstate(over="ignore"):
        grid = steps.numpy().astype(np.float16)
    levels = round_to_levels(z.numpy(), grid)
    mean = levels.mean(0).astype(np.float16)
    deviation = levels.std(0).clip(MIN_DEVIATION, MAX_DEVIATION).astype(np.float16)
    words = encode_words(levels, make_level_model(), *repeat_parameters(mean, deviation, len(z)))
    table = b"".join(column.astype("<f2").tobytes() for column in (grid, mean, deviation))
    return HEAD.pack(len(z), z.shape[1], len(words)) + table + words


def unpack_codes(data: bytes) -> Tensor:
    """Return the codes (N, d) that `pack_codes` wrote. ValueError where no coder wrote them."""
    head = read_head(data)
    table = np.frombuffer(data, "<f2", 3 * head.units, HEAD.size).reshape(3, head.units)
    grid, mean, deviation = table
    if not np.isfinite(table).all() or (grid <= 0).any() or (deviation <= 0).any():
        raise ValueError("its steps or deviations are no numbers above zero")
    parameters = repeat_parameters(mean, deviation, head.examples)
    words = read_words(data, head, HEAD.size + TABLE_BYTES * head.units)
    levels = decode_words(words, make_level_model(), *parameters)
    levels = levels.reshape(head.examples, head.units).astype(np.float32)
    return torch.from_numpy(levels * grid.astype(np.float32))


def pack_indices(indices: Tensor, levels: int) -> bytes:
    """Return indices (N, parts) below `levels` as bytes."""
    from constriction import stream

    words = encode_words(indices.cpu().numpy().astype(np.int32), stream.model.Uniform(levels))
    return HEAD.pack(*indices.shape, len(words)) + words


def unpack_indices(data: bytes, levels: int) -> Tensor:
    """Return the indices (N, parts) that `pack_indices` wrote."""
    from constriction import stream

    head = read_head(data)
    words = read_words(data, head, HEAD.size)
    indices = decode_words(words, stream.model.Uniform(levels), head.examples * head.units)
    return torch.from_numpy(indices.astype(np.int64)).reshape(head.examples, head.units)


def read_head(data: bytes) -> CodeHead:
    """Return the numbers that packed codes begin with."""
    return CodeHead(*HEAD.unpack_from(data))


def round_to_levels(z: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return codes (N, d) as int32 multiples of steps (d,). ConfigError where they do not fit."""
    if not np.isfinite(grid).all() or (grid <= 0).any():
        raise ConfigError(
            "The step is too small or too large for these codes. Choose one nearer to their errors."
        )
    levels = np.rint(z / grid.astype(np.float32))
    if np.abs(levels).max(initial=0) > LEVEL_LIMIT:
        raise ConfigError(
            f"The step is too small: codes lie more than {LEVEL_LIMIT:,} steps from zero. "
            "Choose a larger one."
        )
    return levels.astype(np.int32)


def make_level_model() -> Any:
    """Return constriction's normal distribution over levels."""
    from constriction import stream

    return stream.model.QuantizedGaussian(-LEVEL_LIMIT, LEVEL_LIMIT)


def repeat_parameters(
    mean: np.ndarray, deviation: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parameters of every level of `count` examples, in the order in which they lie."""
    repeated_mean, repeated_deviation = (
        np.tile(values.astype(np.float64), count) for values in (mean, deviation)
    )
    return repeated_mean, repeated_deviation


def encode_words(symbols: np.ndarray, *model: Any) -> bytes:
    """Return symbols coded under a model of constriction and its parameters."""
    from constriction import stream

    coder = stream.queue.RangeEncoder()
    coder.encode(symbols.ravel(), *model)
    return coder.get_compressed().astype("<u4").tobytes()


def read_words(data: bytes, head: CodeHead, start: int) -> np.ndarray:
    """Return the coded words that begin at a byte."""
    return np.frombuffer(data, "<u4", head.length // 4, start).astype(np.uint32)


def decode_words(words: np.ndarray, *model: Any) -> np.ndarray:
    """Return the symbols of coded words, under the model that they were coded with."""
    from constriction import stream

    return stream.queue.RangeDecoder(words).decode(*model)
