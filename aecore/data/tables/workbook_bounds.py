"""The size of an .xlsx, measured before it is read: a small archive may hold endless XML.

All parts are read once as bytes, and never kept: no entities may be declared in them, and the
tags, which become objects, are counted.
"""

from __future__ import annotations

import re
import zipfile
from typing import NamedTuple

from aecore.data.memory import check_data_bytes
from aecore.data.tables.bounds import PART_BYTES
from aecore.errors import DataError
from aecore.limits import read_limit

CELL_COST = 5  # a cell of a workbook takes as long to read as so many of a text
SHEET_CELL_BYTES = 100  # of memory
TAGS_PER_CELL = 4
SPARE_TAGS = 100_000  # for styles and the like
MAX_PARTS = 10_000
MAX_MERGED = 100_000  # ranges of cells of one sheet
OVERLAP = 100  # bytes that are looked at twice, for what lies across two parts
DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
MERGED = re.compile(
    rb'<(?:\w+:)?mergeCell [^>]{0,40}?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")


class SheetFacts(NamedTuple):
    """What is known of a part of a workbook from its bytes."""

    merged: list[tuple[str, int, int]]  # column, first and last row of ranges of several rows
    has_formulas: bool


def examine_workbook(archive: zipfile.ZipFile, file_name: str) -> dict[str, SheetFacts]:
    """Measure the parts of a workbook; return what is known of each. Raises DataError."""
    parts = archive.infolist()  # whatever their names: any of them may be called a sheet
    if len(parts) > MAX_PARTS:
        raise DataError(f"{file_name} holds more than {MAX_PARTS:,} parts. Save it again.")
    if any(info.flag_bits & 1 for info in parts):
        raise DataError(f"{file_name} is encrypted. Save it without a password.")
    check_data_bytes(sum(info.file_size for info in parts), f"{file_name} unpacked")
    limit = read_limit("cells") / CELL_COST
    facts, tags = {}, 0
    for info in parts:
        facts[info.filename], count = _examine_part(archive, info, file_name)
        tags += count
        if tags > TAGS_PER_CELL * limit * 2 + SPARE_TAGS:
            raise DataError(
                f"{file_name} has more cells than the limit of {limit:,.0f} for workbooks. "
                "Save it as .csv, or leave out what is not needed."
            )
    check_data_bytes(tags // (2 * TAGS_PER_CELL) * SHEET_CELL_BYTES, file_name)
    return facts


def _examine_part(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file_name: str
) -> tuple[SheetFacts, int]:
    """Return what is known of a part, and how many tags it has."""
    facts, tags, end = SheetFacts([], False), 0, b""
    with archive.open(info) as stream:
        for part in iter(lambda: stream.read(PART_BYTES), b""):
            tags += part.count(b"<")
            window = end + part
            if DECLARATION.search(window.replace(b"\0", b"")):  # zeros are those of UTF-16
                raise DataError(
                    f"{file_name} declares entities in {info.filename}, which no workbook needs. "
                    "Save it again in Excel or LibreOffice."
                )
            facts = _find_facts(facts, window)
            end = part[-OVERLAP:]
    return facts, tags


def _find_facts(facts: SheetFacts, window: bytes) -> SheetFacts:
    has_formulas = facts.has_formulas or FORMULA.search(window) is not None
    if len(facts.merged) < MAX_MERGED and b"mergeCell " in window:
        found = [match.groups() for match in MERGED.finditer(window)]
        facts.merged.extend(
            (column.decode(), int(first), int(last))
            for column, first, _, last in found
            if int(last) > int(first)
        )
    return facts._replace(has_formulas=has_formulas)
