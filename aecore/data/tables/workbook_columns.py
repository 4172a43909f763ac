"""Columns of a workbook's cells: of the type that all of them have, else of text."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def make_cell_column(cells: Sequence[Any], decimal: str) -> pa.Array:
    """Return cells as an Arrow array; those of several types as they would be written.

    None and empty texts are null. `decimal` is the mark before decimals in texts.
    """
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None and cell != ""}
    values = [None if cell == "" else cell for cell in cells]
    try:
        if kinds and kinds <= {int, float}:
            return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
        if kinds == {bool}:
            return pa.array(values, pa.bool_())
        if kinds and kinds <= {datetime.datetime, datetime.date}:
            return pa.array(values, pa.timestamp("us"))
        if kinds == {datetime.timedelta}:
            return pa.array(values, pa.duration("us"))
    except (pa.ArrowException, OverflowError):  # numbers and dates beyond what 64 bits hold
        pass
    return pa.array([write_cell(cell, decimal) or None for cell in cells], pa.string())


def write_cell(cell: Any, decimal: str = ".") -> str:
    """Return a cell as text without the blanks around it; nothing for an empty one."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return repr(cell).replace(".", decimal)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ").removesuffix(" 00:00:00")
    return str(cell).strip()
