"""How much memory a value takes: its arrays, tensors, tables and texts, each counted once."""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from torch import Tensor, UntypedStorage

CODE_TYPES = (type, types.ModuleType, types.FunctionType, types.MethodType)  # shared by all values
LARGE_BYTES = 2**20  # blocks of fewer bytes are not followed


def count_bytes(value: object) -> int:
    """Returns the bytes that a value keeps in memory; a view counts as what it is a view of."""
    return sum(measure_block(block) for block in list_blocks(value))


def follow_large_blocks(value: object) -> list[tuple[weakref.ref[object], int]]:
    """Returns a weak reference to each large block of a value, and its bytes."""
    sizes = [
        (block, measure_block(block))
        for block in list_blocks(value)
        if isinstance(block, UntypedStorage | np.ndarray | pd.DataFrame | pa.ChunkedArray)
    ]
    return [(weakref.ref(block), size) for block, size in sizes if size >= LARGE_BYTES]


def list_blocks(value: object) -> Iterator[object]:
    """Yields what holds the bytes of a value, each once: storages, arrays, tables, and the rest."""
    seen: dict[int, object] = {}
    waiting = [value]
    while waiting:
        item = find_block(waiting.pop())
        if id(item) in seen or isinstance(item, CODE_TYPES):
            continue
        seen[id(item)] = item  # kept, so that no other object gets its id meanwhile
        yield item
        waiting += list_parts(item)


def find_block(item: object) -> object:
    """Returns the memory behind a tensor or a view of an array; any other object itself."""
    while isinstance(item, np.ndarray) and isinstance(item.base, np.ndarray | Tensor):
        item = item.base
    return item.untyped_storage() if isinstance(item, Tensor) else item


def list_parts(item: object) -> list[object]:
    """Returns the objects that an object holds."""
    if isinstance(item, np.ndarray):
        return item.ravel().tolist() if item.dtype.hasobject else []
    if isinstance(
        item,
        pa.ChunkedArray
        | pa.Array
        | pd.DataFrame
        | pd.Series
        | pd.Index
        | UntypedStorage
        | str
        | bytes,
    ):
        return []
    if isinstance(item, Mapping):
        return [*item.keys(), *item.values()]
    if isinstance(item, list | tuple | set | frozenset):
        return list(item)
    return [getattr(item, "__dict__", None)]


def measure_block(block: object) -> int:
    """Returns the bytes of one block alone; none for what lies on the disk."""
    if isinstance(block, UntypedStorage):
        return block.nbytes()
    if isinstance(block, np.memmap):
        return 0
    if isinstance(block, np.ndarray | pa.ChunkedArray | pa.Array):
        return block.nbytes
    if isinstance(block, pd.DataFrame):
        return int(block.memory_usage(deep=True).sum())
    if isinstance(block, pd.Series | pd.Index):
        return int(block.memory_usage(deep=True))
    return sys.getsizeof(block)
