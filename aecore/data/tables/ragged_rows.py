"""Rows of a text that hold fewer or more cells than the table has columns: none is shifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aecore.data.raw import format_count
from aecore.data.tables.separators import Row
from aecore.errors import DataError

MAX_FOOTERS = 20  # lines below a table
MAX_LEFT_OUT = 0.05  # of the rows


class RowFitter:
    """Makes rows of one width of rows of any, and counts what it changed."""

    def __init__(self, width: int, file_name: str, line: int) -> None:
        self.width, self.file_name, self.line = width, file_name, line
        self.rows = self.short = self.cut = self.comments = self.long = self.footers = 0
        self.first_short = self.first_long = 0  # lines

    def fit_rows(self, rows: Iterable[Row]) -> Iterator[list[str]]:
        """Yield every row with as many cells as there are columns. Raises DataError.

        Short rows are filled with empty cells and long ones cut where only empty cells are lost;
        other long rows, comments, and single cells below the table are left out.
        """
        pending: list[list[str]] = []  # single cells, which may stand below the table
        for row in rows:
            cells = self._fit_row(row)
            if cells is None:
                continue
            if self._may_be_footer(row):
                pending.append(cells)
                continue
            yield from self._count_rows(pending)
            pending = []
            yield from self._count_rows([cells])
        if len(pending) > MAX_FOOTERS or not self.rows:
            yield from self._count_rows(pending)
        else:
            self.footers = len(pending)
            self.short -= len(pending)
        self._check_long_rows()

    def describe(self) -> list[str]:
        """Return notes on the rows that were changed or left out."""
        name, notes = self.file_name, []
        if self.short:
            rows, verb = format_count(self.short, "row"), "holds" if self.short == 1 else "hold"
            notes.append(
                f"{rows} of {name} {verb} fewer values than there are columns, the first in line "
                f"{self.first_short}: the last cells are missing."
            )
        if self.long:
            rows, verb = format_count(self.long, "row"), "holds" if self.long == 1 else "hold"
            notes.append(
                f"{rows} of {name} {verb} more values than there are columns, the first in line "
                f"{self.first_long}, and are left out."
            )
        for count, noun in (
            (self.cut, "row with separators after the last column"),
            (self.comments, "line of comment, left out"),
            (self.footers, "line below the table, left out"),
        ):
            if count:
                plural = noun.replace(noun.split()[0], noun.split()[0] + "s", 1)
                notes.append(f"{name} has {count:,} {noun if count == 1 else plural}.")
        return notes

    def _count_rows(self, rows: list[list[str]]) -> list[list[str]]:
        self.rows += len(rows)
        return rows

    def _may_be_footer(self, row: Row) -> bool:
        return len(row.cells) == 1 < self.width - 1

    def _fit_row(self, row: Row) -> list[str] | None:
        """Return the row with the right number of cells; None for one that is left out."""
        cells, extra = row.cells, len(row.cells) - self.width
        if extra == 0 or not cells:
            return cells or None
        if cells[0].startswith("#"):
            self.comments += 1
            return None
        if extra < 0:
            self.short += 1
            self.first_short = self.first_short or self.line + row.line
            return cells + [""] * -extra
        if any(cells[self.width :]):
            self.long += 1
            self.first_long = self.first_long or self.line + row.line
            return None
        self.cut += 1
        return cells[: self.width]

    def _check_long_rows(self) -> None:
        if self.long > MAX_LEFT_OUT * (self.rows + self.long):
            rows = format_count(self.long, "row")
            verb = "holds" if self.long == 1 else "hold"
            raise DataError(
                f"{rows} of {self.file_name} {verb} more values than it has columns, the first in "
                f"line {self.first_long}. Put quotation marks around cells that hold separators."
            )
