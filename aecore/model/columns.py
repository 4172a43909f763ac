"""How the columns of a table are read: inferred or chosen, kept with the set and the model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aecore.model.parts.base import Options

ColumnKind = Literal[
    "number",
    "count",
    "boolean",
    "category",
    "ordered",
    "date",
    "target",
    "text",
    "id",
    "ignored",
]
DatePart = Literal["time", "year", "season", "weekday", "hour"]
LEFT_OUT_KINDS = ("text", "id", "ignored")  # of columns that are no input
Word = Annotated[str, StringConstraints(max_length=1000)]


class ColumnOptions(Options):
    """How one column is read; what is empty is inferred from its cells."""

    kind: ColumnKind = Field(description="What its cells are.")
    categories: tuple[Word, ...] = Field(
        (), max_length=1000, description="Its words, in order: an input for each."
    )
    parts: tuple[DatePart, ...] = Field((), description="Inputs that a date becomes.")
    written: str = Field(
        "", max_length=60, description="How its dates are written, such as %d/%m/%Y or ISO8601."
    )
    decimal: Literal[".", ","] = Field(".", description="The mark before the decimals.")
    unit: str = Field(
        "",
        max_length=40,
        description="Taken off each cell, such as % or kg; of a date's time: days since which day.",
    )
    missing: tuple[Word, ...] = Field(
        (), max_length=100, description="Cells that are taken as missing, besides empty ones."
    )
