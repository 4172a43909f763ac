"""How the cells of a text file are parted, decided by many of its lines with quotes respected."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aecore.errors import DataError

SEPARATORS = "\t;|,"  # of two that fit as well, the first is taken
UNIT_SEPARATOR = "\x1f"
MAX_LINE = 10_000_000  # letters
csv.field_size_limit(MAX_LINE)  # of all readers: texts and encoded pictures are longer than 131,072
MAX_RATED_CELLS = 20_000
MIN_CONSISTENCY = 0.6  # of the rows of a table, those that have as many cells as most
MIN_PARTED = 0.9  # of rows that are shorter than the first, those that hold several cells
SEPARATOR_LINE = re.compile(r'^"?sep=([!#-/:-@\[-`{-~ \t]|\\t)"?[,;\t]*[\r\n]*$', re.IGNORECASE)
NUMBER_LIKE = re.compile(r"[+-]?(?:\d[\d.,']*|[.,]\d+)(?:[eE][+-]?\d+)?%?")
NUMBER_TEXT = re.compile(
    r"[^\w,]{0,3}\d(?:[\d.,' \u00a0\u202f]*\d)?[^\d,]{0,10}"
)  # such as $1,234.50 or 12,5 kg
SPACED_NUMBER = re.compile(r"[+-]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?")


class Dialect(NamedTuple):
    """How cells are parted: by a character, by runs of blanks, or not at all (an empty one)."""

    separator: str
    in_runs: bool = False  # several blanks count as one
    has_escapes: bool = False  # a backslash stands before quotation marks within cells

    @property
    def mark(self) -> str:
        """The character that parts cells; one that is in no text where there is none."""
        return self.separator or UNIT_SEPARATOR


class Row(NamedTuple):
    """The cells of a row without the blanks around them, and the number of lines up to its end."""

    cells: list[str]
    line: int


def iterate_rows(lines: Iterable[str], dialect: Dialect, file_name: str) -> Iterator[Row]:
    """Yield every row of a text, blank ones with no cell.

    Raises DataError for a quotation mark that is never closed.
    """
    watched = WatchedLines(lines, dialect)
    reader = csv.reader(
        watched,
        delimiter=dialect.mark,
        skipinitialspace=dialect.separator != " " or dialect.in_runs,
        escapechar="\\" if dialect.has_escapes else None,
    )
    try:
        for cells in reader:
            yield Row(_strip_cells(cells), reader.line_num)
            watched.start_row()
    except csv.Error as error:
        raise DataError(
            f"Line {watched.first} of {file_name} has a cell that cannot be read ({error}). "
            "Close its quotation mark, or take it out."
        ) from error
    if watched.has_open_quote:
        raise DataError(
            f"A quotation mark in line {watched.first} of {file_name} is never closed. "
            "Close it, or take it out."
        )


class WatchedLines:
    """Hands out lines and remembers whether the quotes of the row being read are closed."""

    def __init__(self, lines: Iterable[str], dialect: Dialect) -> None:
        self.lines = iter(lines)
        self.in_runs, self.has_escapes = dialect.in_runs, dialect.has_escapes
        self.number = self.first = self.quotes = 0
        self.is_at_end = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self.lines)
        except StopIteration:
            self.is_at_end = True
            raise
        self.number += 1
        if not self.quotes:
            self.first = self.number
        self.quotes += line.count('"') - (line.count('\\"') if self.has_escapes else 0)
        return line.replace("\t", " ").strip() + "\n" if self.in_runs else line

    def start_row(self) -> None:
        """Begin to count anew, unless the last row ended because the text did."""
        if not self.is_at_end:
            self.quotes = 0

    @property
    def has_open_quote(self) -> bool:
        return self.quotes % 2 == 1 and self.number > self.first


def iterate_lines(text: io.TextIOBase, file_name: str) -> Iterator[str]:
    """Yield the lines of a text. Raises DataError for one that is too long to be of a table."""
    for line in iter(lambda: text.readline(MAX_LINE), ""):
        if len(line) == MAX_LINE:
            raise DataError(
                f"{file_name} has a line of more than {MAX_LINE:,} letters. "
                "Put each row on a line of its own."
            )
        yield line


def read_separator_line(line: str) -> str | None:
    """Return the separator that a line such as `sep=;` names; None for any other line."""
    match = SEPARATOR_LINE.match(line)
    return None if match is None else "\t" if match[1] == "\\t" else match[1]


def choose_dialect(lines: list[str], is_cut: bool, file_name: str) -> Dialect:
    """Return how the cells of these lines are parted. `is_cut`: the last one may be torn."""
    dialects = [*map(Dialect, SEPARATORS), Dialect(" "), Dialect(" ", in_runs=True)]
    if any('\\"' in line for line in lines):
        dialects += [Dialect(separator, has_escapes=True) for separator in SEPARATORS]
    scores = {}
    lines = [line for line in lines if not line.startswith("#")] or lines
    for dialect in dialects:
        rows = [row.cells for row in read_rows(lines, dialect, is_cut, file_name) if row.cells]
        scores[dialect] = _rate_rows(rows, dialect)
    best = max(scores, key=lambda dialect: scores[dialect])
    return best if scores[best] > 0 else Dialect("")


def read_rows(lines: list[str], dialect: Dialect, is_cut: bool, file_name: str) -> list[Row]:
    """Return the rows of the first lines of a text, without the last where it may be torn."""
    rows: list[Row] = []
    try:
        rows.extend(iterate_rows(lines, dialect, file_name))
    except DataError:
        if not is_cut:
            raise
    return rows[:-1] if is_cut and len(rows) > 1 else rows


def find_common_width(rows: list[list[str]]) -> int:
    """Return how many cells most rows have, of two equal counts the larger; 0 for no rows."""
    counts = Counter(len(cells) for cells in rows if cells)
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def _rate_rows(rows: list[list[str]], dialect: Dialect) -> float:
    """Return how much these rows look like those of a table, from 0 (not at all) to 1."""
    width = find_common_width(rows)
    if width < 2:
        return 0.0
    start = next(i for i, cells in enumerate(rows) if len(cells) == width)
    even = sum(len(cells) == width for cells in rows)
    if _are_decimals(rows, start, dialect):
        return 0.0
    if even < MIN_CONSISTENCY * len(rows[start:]) and not _are_short_rows(rows[start:], width):
        return 0.0
    body = rows[start:][: max(5, MAX_RATED_CELLS // width)]
    cells = [cell for row in body for cell in row if cell]
    clean = sum(not _holds_other_separator(cell, dialect) for cell in cells)
    score = (even / len(rows)) ** 3 * (clean / max(1, len(cells))) ** 2
    if dialect.separator != " ":
        return score
    return 0.9 * score if _is_parted_by_blanks(rows, width) else 0.0


def _are_short_rows(rows: list[list[str]], width: int) -> bool:
    """Return True for a first row with a cell for each column, and shorter rows of some below."""
    parted = sum(len(cells) > 1 for cells in rows)
    return len(rows[0]) == max(map(len, rows)) == width and parted >= MIN_PARTED * len(rows)


def _are_decimals(rows: list[list[str]], start: int, dialect: Dialect) -> bool:
    """Return True for one column of numbers with decimal commas, below its name."""
    if dialect.separator != "," or start == 0 or len(rows[start - 1]) != 1:
        return False
    whole = [cell.lstrip("+-").isdigit() for cells in rows[start:] for cell in cells]
    return all(whole) and all(len(cells) <= 2 for cells in rows[start:])


def _holds_other_separator(cell: str, dialect: Dialect) -> bool:
    if any(mark in cell for mark in "\t;|" if mark != dialect.separator):
        return True
    if "," in cell and not NUMBER_TEXT.fullmatch(cell):
        return dialect.separator != ","
    if " " not in cell:
        return False
    parts = cell.split()
    return (
        len(parts) > 1
        and all(map(NUMBER_LIKE.fullmatch, parts))
        and not SPACED_NUMBER.fullmatch(cell)
    )


def _is_parted_by_blanks(rows: list[list[str]], width: int) -> bool:
    """Return True if blanks part columns, half of them of numbers, rather than words of a text."""
    even = sum(len(cells) == width for cells in rows) / len(rows)
    lacks_name_of_rows = len(rows[0]) == width - 1 >= 2
    if not (len(rows[0]) == width or lacks_name_of_rows) or even < (0.9 if len(rows) > 9 else 0.5):
        return False
    last = next(cells for cells in reversed(rows) if len(cells) == width)
    return sum(NUMBER_LIKE.fullmatch(cell) is not None for cell in last) * 2 >= width


def _strip_cells(cells: list[str]) -> list[str]:
    stripped = [cell.strip() for cell in cells]
    return [] if len(stripped) == 1 and not stripped[0] else stripped
