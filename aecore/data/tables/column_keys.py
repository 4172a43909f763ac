"""Whole numbers that are no measurements: keys and indices, and times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aecore.data.tables.column_dates import looks_like_days

if TYPE_CHECKING:
    import pyarrow as pa

MAX_WORDS = 20
"""Words of so many kinds become a column of zeros and ones for each."""
INDEX_NAME = re.compile(
    r"|(Unnamed: \d+(\.\d+)*)|(__index_level_\d+__)|index|level_\d+|_id|row_?names?"
)
KEY_NAME = re.compile(
    r"(.*[\s_.\-])?(ids?|idx|index|key|uuid|guid|row|rows|rownum|rownames|nr|no|num|number|nummer)"
    r"|.*[a-z](Id|ID|Idx|Key|Nr|No)",
)
STRONG_NAME = re.compile(r"(.*[\s_.\-])?(id|ids|ID|IDs|uuid|guid)|.*[a-z](Id|ID)")
YEAR_NAME = re.compile(r"year|jahr|annee|année|month|monat|week|day|tag|hour|age|time|step", re.I)
TIME_NAME = re.compile(
    r"(^|[\s_.\-])(t|ts|time|date|epoch|unix|created|updated|when|at|start|end)([\s_.\-]|$)"
    r"|stamp|datetime|epoch|unix",
    re.I,
)
FIRST_SECOND, LAST_SECOND = 3 * 10**8, 4 * 10**9  # 1979 and 2096
KEY_ROWS = 20  # below it, numbers in a row are no keys by that alone


def is_time(name: str, values: pa.ChunkedArray) -> bool:
    """Return True for whole numbers that are times: 20241231, or seconds since 1970."""
    import pyarrow.compute as pc

    if looks_like_days(values):
        return len(values) >= KEY_ROWS or bool(TIME_NAME.search(name))
    if not TIME_NAME.search(name):
        return False
    bounds = pc.min_max(values).as_py()
    return any(
        bounds["min"] >= FIRST_SECOND * scale and bounds["max"] <= LAST_SECOND * scale
        for scale in (1, 1000)
    )


def find_key_reason(name: str, values: pa.ChunkedArray) -> str:
    """Return why whole numbers are keys and no measurements; an empty text where they are not."""
    import pyarrow.compute as pc

    if INDEX_NAME.fullmatch(name):
        return "An index"
    count = len(values)
    bounds = pc.min_max(values).as_py()
    is_range = bounds["min"] >= 0 and bounds["max"] - bounds["min"] == count - 1
    is_named = KEY_NAME.fullmatch(name) or KEY_NAME.fullmatch(name.lower())
    is_key = STRONG_NAME.fullmatch(name)
    if not is_key and (values.null_count or not (is_range or is_named)):
        return ""
    distinct = pc.count_distinct(values).as_py()
    if is_key and MAX_WORDS < distinct <= count * 0.99:
        return "Named like a key"
    if is_named and distinct > count * 0.99:
        return "A different whole number in each row"
    if is_range and distinct == count >= KEY_ROWS and not YEAR_NAME.search(name):
        return f"The numbers from {bounds['min']} to {bounds['max']}, each once, as of rows"
    return ""
