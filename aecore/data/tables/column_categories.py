"""Reads a column as words of few kinds, or as true and false."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aecore.data.tables.column_values import (
    ReadColumn,
    complete_options,
    join_notes,
    make_texts,
)
from aecore.data.tables.column_words import (
    blank_out,
    count_words,
    describe_missing_words,
    drop_empty_cells,
    quote_few,
)
from aecore.data.tables.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass

MAX_CATEGORIES = 1000
CERTAIN_TRUE = ("true", "wahr", "vrai", "verdadero", "vero", ".true.")
CERTAIN_FALSE = ("false", "falsch", "faux", "falso", ".false.")
TRUE_WORDS = (*CERTAIN_TRUE, "t", "yes", "y", "ja", "oui", "si", "1", "on", "x")
FALSE_WORDS = (*CERTAIN_FALSE, "f", "no", "n", "nein", "non", "0", "off")


def read_flags(name: str, cells: PlainCells, options: ColumnOptions, note: str = "") -> ReadColumn:
    """Return a column of true and false; `categories` say how the two are written, false first."""
    import pyarrow as pa

    kind = cells.values.type
    if pa.types.is_boolean(kind):
        return ReadColumn(name, options, cells.values, cells.values.null_count, note)
    words = count_words(drop_empty_cells(make_texts(name, cells.values)))
    listed = words.list_all()
    pair = options.categories or find_flag_words(listed)
    flags = [read_flag(word, pair) for word in listed]
    lost = np.array([flag is None for flag in flags], bool)
    if lost.all():
        raise DataError(
            f"Column {name!r} holds {quote_few(listed)}, not two words for true and false. "
            "Choose category for it."
        )
    lost_words = [word for word, is_lost in zip(listed, lost, strict=True) if is_lost]
    values = words.expand(pa.array(flags, pa.bool_()))
    options = complete_options(options, categories=() if pair == ("False", "True") else pair)
    note = join_notes(note, describe_missing_words(lost_words, int(words.counts[lost].sum())))
    return ReadColumn(name, options, values, values.null_count, note)


def find_flag_words(listed: list[str]) -> tuple[str, ...]:
    """Return the words for false and true among those of a column; none where it is unclear."""
    true_words = [word for word in listed if read_flag(word) is True]
    false_words = [word for word in listed if read_flag(word) is False]
    if len(true_words) == 1 and len(false_words) == 1:
        return false_words[0], true_words[0]
    return ()


def read_flag(word: str, pair: tuple[str, ...] = ()) -> bool | None:
    """Return what a word says, by the words for false and true; None where it is neither."""
    if word in pair:
        return pair.index(word) == 1
    small = word.lower()
    return True if small in TRUE_WORDS else False if small in FALSE_WORDS else None


def read_categories(
    name: str, cells: PlainCells, options: ColumnOptions, note: str = ""
) -> ReadColumn:
    """Return a column of words of few kinds; `categories` are completed, in their order."""
    import pyarrow as pa

    texts = drop_empty_cells(make_texts(name, cells.values))
    words = count_words(texts)
    lost = np.isin(np.array(words.list_all(), object), options.missing)
    if lost.any():
        missing = words.words.filter(pa.array(lost)).to_pylist()
        note = join_notes(note, describe_missing_words(missing, int(words.counts[lost].sum())))
        texts = words.expand(blank_out(words.words, lost))
    listed = [word for word, is_lost in zip(words.list_all(), lost, strict=True) if not is_lost]
    new = sorted(set(listed) - set(options.categories)) if options.categories else []
    if new:
        verb = "is not one of its words" if len(new) == 1 else "are none of its words"
        note = join_notes(note, f"{quote_few(new)} {verb} so far.")
    if not options.categories:
        order = order_words(name, listed, cells, options.kind)
        options = complete_options(options, categories=order)
        if options.kind == "ordered":
            note = join_notes(note, f"In the order {' < '.join(order[:8])}.")
    return ReadColumn(name, options, texts, texts.null_count, note)


def order_words(name: str, listed: list[str], cells: PlainCells, kind: str) -> tuple[str, ...]:
    """Return the words of a column in order: that of the file, of numbers, or the alphabet's."""
    if len(listed) > MAX_CATEGORIES:
        raise DataError(
            f"Column {name!r} has {len(listed):,} different words; a category may have "
            f"{MAX_CATEGORIES:,}. Choose text for it."
        )
    if too_long := [word for word in listed if len(word) > MAX_CATEGORIES]:
        raise DataError(f"Column {name!r} has words of {len(too_long[0]):,} letters: choose text.")
    if cells.order:
        return tuple(word for word in cells.order if kind == "ordered" or word in listed)
    return tuple(sorted(listed, key=sort_key))


def sort_key(word: str) -> tuple[bool, float, str]:
    """Return what words are sorted by: numbers by their size, before all others."""
    try:
        number = float(word)
    except ValueError:
        return True, 0.0, word
    return False, number, word
