"""What each column of a table is, and over which features of a model it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from aecore.model.parts.base import Options

HeadKind = Literal["number", "count", "category", "ordered", "boolean"]


class Head(Options):
    """One column: what it is, and over how many consecutive features it goes."""

    kind: HeadKind
    features: Annotated[int, Field(ge=1, le=4000)] = 1
    ranks: Annotated[int, Field(ge=0, le=1000)] = 0  # of an ordered category


def find_features(heads: Sequence[Head], kind: HeadKind) -> list[int]:
    """Return the places of all features of one kind of column."""
    places: list[int] = []
    start = 0
    for head in heads:
        if head.kind == kind:
            places += range(start, start + head.features)
        start += head.features
    return places


def count_kinds(heads: Iterable[Mapping[str, Any]]) -> str:
    """Return how many columns are of each kind, `2 category, 3 number`, of heads as in a config."""
    counts = Counter(str(head.get("kind")) for head in heads)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
