"""Where the names of a table's columns stand, and whether there are any: decided by its rows."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from aecore.data.raw import format_count
from aecore.data.tables.separators import find_common_width
from aecore.errors import DataError
from aecore.names import clean_name, list_few

MAX_TITLE_ROWS = 40  # above the names
MAX_TYPED_CELLS = 200_000
MAX_COLUMN_NAME = 500  # letters
TYPE_SHARE = 0.8  # of the cells of a column, to be called of that type
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d[\d.,' \u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?\s?[%€$£]?")
DATE = re.compile(r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2})(?:[T ].*|:.*)?")
MISSING_CELLS = {"", "?", "-", ".", "*", "na", "n/a", "nan", "null", "none", "missing", "inf"}
MISSING_CELLS |= {"#n/a", "#div/0!", "#value!", "-inf", "unknown"}
NAMELESS_PREFIX = "Unnamed: "  # as pandas calls a column without a name; so kinds know an index


class Header(NamedTuple):
    """The names of the columns, and where the rows below them begin among those looked at."""

    names: list[str]  # one for each column, unique
    start: int
    notes: list[str]


def find_header(rows: list[list[str]], file_name: str, first_line: int = 1) -> Header:
    """Find the names of the columns in the first rows of a table, blank ones included.

    Raises DataError where rows hold more values than there are names.
    """
    width = find_common_width(rows[len(rows) // 4 :]) or find_common_width(rows)
    types = _find_types(rows, width)
    place = _find_names(rows, width, types)
    notes = []
    if place is None:
        start = next((i for i, cells in enumerate(rows) if _is_full(cells, width)), 0)
        names = [f"column {i + 1}" for i in range(width)]
        notes.append(
            f"{file_name} has no line of names: its first line holds values like those below. "
            f"The columns are named by their place, the first {names[0]!r}."
        )
    else:
        start = place + 1
        names, note = _complete_names(rows[place], rows[start:], width, file_name)
        notes += note
    skipped = [cells for cells in rows[: start if place is None else place] if any(cells)]
    if skipped:
        lines = format_count(len(skipped), "line")
        title = clean_name(" ".join(filter(None, skipped[0])), 60)
        notes.append(f"{file_name} has {lines} above its table, left out: {title!r}.")
    return Header(names, start, notes)


def make_names_unique(cells: list[str], file_name: str) -> tuple[list[str], list[str]]:
    """Return names without blanks around them and each once, and a note on those changed."""
    names = [clean_name(cell, MAX_COLUMN_NAME) for cell in cells]
    taken = set(names)
    seen: Counter[str] = Counter()
    twins = []
    for i, name in enumerate(names):
        seen[name] += 1
        if name and seen[name] == 1:
            continue
        stem, pattern = (name, "{} ({})") if name else (f"{NAMELESS_PREFIX}{i}", "{}.{}")
        count = 2 if name else 0
        while not names[i] or names[i] in taken:
            names[i] = pattern.format(stem, count) if count else stem
            count += 1
        taken.add(names[i])
        if name:
            twins.append(names[i])
    if not twins:
        return names, []
    verb = "is" if len(twins) == 1 else "are"
    listed = list_few(map(repr, twins), 5)
    return names, [f"{file_name} has columns of the same name: {listed} {verb} numbered."]


def _is_full(cells: list[str], width: int) -> bool:
    return len(cells) >= width and any(cells)


def _get_type(cell: str) -> str:
    """Return "number", "date", "word" or, for an empty cell or a mark for missing, nothing."""
    if cell.lower() in MISSING_CELLS:
        return ""
    if DATE.fullmatch(cell):
        return "date"
    return "number" if PLAIN_NUMBER.fullmatch(cell) else "word"


def _find_types(rows: list[list[str]], width: int) -> list[str]:
    """Return what most cells of each column are, by the rows from the last on."""
    full = [cells for cells in rows if len(cells) >= width][1:]
    body = full[len(full) // 3 :][-max(10, MAX_TYPED_CELLS // max(1, width)) :]
    types = []
    for i in range(width):
        counts = Counter(filter(None, (_get_type(cells[i]) for cells in body)))
        kind, count = counts.most_common(1)[0] if counts else ("", 0)
        types.append(kind if count >= TYPE_SHARE * counts.total() else "word")
    return types


def _find_names(rows: list[list[str]], width: int, types: list[str]) -> int | None:
    """Return the place of the row of names; None where there is none."""
    places = [i for i, cells in enumerate(rows[:MAX_TITLE_ROWS]) if any(cells)]
    above = []
    for i in places:
        if _is_data(rows, i, types):
            break
        above.append(i)
    if len(above) == len(places):  # no row of numbers or dates: words alone
        above = _drop_titles(rows, above, width)[:1]
        return above[0] if above and not _recurs(rows, above[0], width) else None
    named = [i for i in above if _may_be_names(rows[i], width)]
    named = [i for i in named if not _is_comment(rows[i])] or named[-1:]
    last_blank = max((i for i in range(above[-1] if above else 0) if not any(rows[i])), default=-1)
    named = [i for i in named if i > last_blank] or named
    return max(named, key=lambda i: _count_filled(rows[i]), default=None)


def _drop_titles(rows: list[list[str]], places: list[int], width: int) -> list[int]:
    """Return the places from the first row on that is as full as a row of names."""
    first = next((i for i in places if _may_be_names(rows[i], width)), None)
    return [i for i in places if first is not None and i >= first]


def _may_be_names(cells: list[str], width: int) -> bool:
    filled = _count_filled(cells)
    return filled >= min(width, 2) or (len(cells) >= width <= 2 and filled > 0)


def _is_comment(cells: list[str]) -> bool:
    return cells[0].startswith("#") and cells[0] != "#"


def _count_filled(cells: list[str]) -> int:
    return sum(map(bool, cells))


def _is_data(rows: list[list[str]], place: int, types: list[str]) -> bool:
    """Return True if a row holds values of the columns rather than their names."""
    cells = rows[place]
    typed = [
        (cell, kind)
        for cell, kind in zip(cells, types, strict=False)
        if kind in ("number", "date") and _get_type(cell)
    ]
    alike = [cell for cell, kind in typed if _get_type(cell) == kind]
    if not alike or 2 * len(alike) < len(typed):
        return False
    return not _are_number_names(rows, place, len(types))


def _are_number_names(rows: list[list[str]], place: int, width: int) -> bool:
    """Return True if the numbers of a row go up as names do (0, 1, 2; wavelengths; years).

    No other row may: then it is data like them. Below a word, such as `label`, names are known by
    being far from the values of their columns.
    """
    numbers = _read_numbers(rows[place])
    if numbers is None or not _go_up(numbers):
        return False
    below = [_read_numbers(cells) for cells in rows[place + 1 :] if any(cells)]
    others = [other for other in below if other is not None]
    if _get_type(rows[place][0]) == "word" and others:
        return all(
            not min(column) <= number <= max(column)
            for number, *column in zip(numbers, *others, strict=False)
        )
    counts = [float(i) for i in range(len(numbers))]
    if len(numbers) < 5 and numbers not in (counts, [i + 1 for i in counts]):
        return False
    if len(numbers) < 4:
        has_fractions = any(value % 1 for other in others for value in other)
        return has_fractions and numbers not in others
    return not any(map(_go_up, others))


def _read_numbers(cells: list[str]) -> list[float] | None:
    """Return the numbers of a row but for a word or nothing in its first cell; None for others."""
    try:
        return [float(cell) for cell in cells[_get_type(cells[0]) in ("", "word") :]]
    except ValueError:
        return None


def _go_up(numbers: list[float]) -> bool:
    return len(numbers) > 1 and all(a < b for a, b in pairwise(numbers))


def _recurs(rows: list[list[str]], place: int, width: int) -> bool:
    """Return True if words of a row stand below it in half of the columns that repeat words."""
    below = [cells for cells in rows[place + 1 :] if len(cells) >= width]
    repeating = recurring = 0
    for i, cell in enumerate(rows[place][:width]):
        words = Counter(cells[i] for cells in below)
        if len(words) < len(below):
            repeating += 1
            recurring += cell != "" and cell in words
    return recurring > 0 and 2 * recurring >= repeating


def _complete_names(
    header: list[str], below: list[list[str]], width: int, file_name: str
) -> tuple[list[str], list[str]]:
    """Return a name for each column of the rows, and notes."""
    cells = header[1:] if header[0] == "#" and len(header) > width else header
    cells = [cells[0].lstrip("# ") or cells[0], *cells[1:]]
    while len(cells) > width and not cells[-1]:
        cells.pop()
    extra = width - len(cells)
    if extra <= 0:
        return make_names_unique(cells, file_name)
    surplus = [row[len(cells) : width] for row in below if len(row) >= width]
    if not any(map(any, surplus)):
        return make_names_unique(cells + [""] * extra, file_name)
    if extra == 1 and _are_row_names([row[0] for row in below if len(row) >= width]):
        return make_names_unique(["", *cells], file_name)
    raise DataError(
        f"The rows of {file_name} hold {width} values, but its line of names has {len(cells)}. "
        "Name every column; put quotation marks around cells with separators or decimal commas."
    )


def _are_row_names(cells: list[str]) -> bool:
    """Return True for numbers from 0 or 1 on, or different words, as R writes before each row."""
    if len(set(cells)) < len(cells) or len(cells) < 2:
        return False
    numbers = [str(i) for i in range(len(cells) + 1)]
    if cells in (numbers[:-1], numbers[1:]):
        return True
    return all(_get_type(cell) == "word" for cell in cells)
