"""The mark before the decimals of a table's numbers, inferred over the whole of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TELLING_CELLS = 2000  # cells that tell
BEFORE, AFTER = r"^[^\d.,]{0,4}", r"(?:[eE][+-]?\d+)?[^\d.,]{0,10}$"
BLANK = r"[ '\x{a0}\x{202f}]"


def make_pattern(decimal: str, group: str) -> str:
    """Return a pattern of numbers that can be read with these two marks only."""
    forms = (
        rf"\d*{decimal}\d{{1,2}}",
        rf"\d*{decimal}\d{{4,}}",
        rf"0?{decimal}\d+",
        rf"\d{{4,}}{decimal}\d+",
        rf"\d{{1,3}}(?:{group}\d{{3}})+{decimal}\d+",
        rf"\d{{1,3}}(?:{BLANK}\d{{3}})+{decimal}\d+",
        rf"\d{{1,3}}(?:{group}\d{{3}}){{2,}}",
    )
    return f"{BEFORE}(?:{'|'.join(forms)}){AFTER}"


COMMA_NUMBERS = make_pattern(",", r"\.")
DOT_NUMBERS = make_pattern(r"\.", ",")
# numbers of one group of three digits, or of three decimals, such as 1,234
GROUPS = {mark: rf"{BEFORE}[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}{AFTER}" for mark in ",."}


def infer_decimal(
    texts: Sequence[pa.Array], separator: str, file_name: str
) -> tuple[str, list[str]]:
    """Return the mark before decimals, "." or ",", and a note where it is the comma or unsure.

    `texts` are the cells of all columns of text. `separator` is what parts the cells of the file:
    it decides where all numbers look like 1,234, because a semicolon is written where the comma is
    for decimals.
    """
    commas, example = _find_numbers(texts, COMMA_NUMBERS, ",")
    dots, _ = _find_numbers(texts, DOT_NUMBERS, ".") if commas or separator == ";" else (0, "")
    if separator == ";" and not commas and not dots:
        commas, example = _find_numbers(texts, GROUPS[","], ",")
        points, point = _find_numbers(texts, GROUPS["."], ".")
        if points and not commas:
            return ".", [
                f"Numbers in {file_name} such as {point!r} may be thousands or decimals: "
                "they are read as decimals."
            ]
    if commas <= dots:
        return ".", []
    return ",", [f"Numbers in {file_name} are read with a decimal comma, such as {example!r}."]


def _find_numbers(texts: Sequence[pa.Array], pattern: str, mark: str) -> tuple[int, str]:
    """Return how many cells match a pattern, up to enough of them, and the first of them."""
    import pyarrow.compute as pc

    count, example = 0, ""
    for part in texts:
        if count >= TELLING_CELLS:
            break
        if pc.any(pc.match_substring(part, mark)).as_py():
            found = part.filter(pc.match_substring_regex(part, pattern))
            count += len(found)
            example = example or (found[0].as_py() if len(found) else "")
    return count, example
