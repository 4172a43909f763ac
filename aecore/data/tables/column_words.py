"""A column of words: each different word once, how often it occurs, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.raw import format_count
from aecore.names import list_few

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_WORDS = 4


class Words(NamedTuple):
    """The cells of a column of strings."""

    words: pa.Array  # each different one, as it is written; none of them empty
    counts: np.ndarray[Any, np.dtype[np.int64]]  # of each
    codes: pa.Array  # (N,) int32, of the word in each row; null where a cell is empty

    @property
    def known(self) -> int:
        """Cells that are not empty."""
        return int(self.counts.sum())

    def expand(self, values: Any) -> pa.ChunkedArray:
        """Return values of the different words as those of all rows."""
        import pyarrow as pa

        return pa.chunked_array([values.take(self.codes)])

    def list_all(self) -> list[str]:
        """Return the words as strings of Python."""
        listed: list[str] = self.words.to_pylist()
        return listed


def drop_empty_cells(values: Any) -> Any:
    """Return strings with null in place of empty ones and of mere blanks."""
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = pc.equal(pc.utf8_trim_whitespace(values), "")
    if not pc.any(blank, min_count=0).as_py():
        return values
    return pc.if_else(blank, pa.scalar(None, pa.string()), values)


def count_words(values: pa.ChunkedArray) -> Words:
    """Return the different words of strings, null where a cell is empty."""
    import pyarrow as pa

    encoded = values.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks)
    encoded = encoded.dictionary_encode()
    known = encoded.indices.drop_null().to_numpy(zero_copy_only=False)
    counts = np.bincount(known, minlength=len(encoded.dictionary)).astype(np.int64)
    return Words(encoded.dictionary, counts, encoded.indices)


def blank_out(words: pa.Array, lost: np.ndarray[Any, Any]) -> pa.Array:
    """Return words with null in place of some."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(lost), pa.scalar(None, pa.string()), words)


def quote_few(words: Iterable[str], limit: int = SHOWN_WORDS) -> str:
    """Return the first words in quotes: `'a', 'b' and 3 more`."""
    return list_few((repr(word[:40]) for word in words), limit)


def describe_missing_words(words: Iterable[str], count: int) -> str:
    """Return a sentence on cells that are taken as missing."""
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return f"{format_count(count, 'cell')} such as {quote_few(words)} {verb} taken as missing."
