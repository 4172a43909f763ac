"""What a column of a mixed table can be for its likelihood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

HeadKind = Literal["number", "count", "category", "ordered", "boolean"]

KIND_OF_BUFFER: dict[str, HeadKind] = {
    "numbers": "number",
    "words": "category",
    "flags": "boolean",
    "counted": "count",
}


def count_kinds(heads: Iterable[Mapping[str, Any]]) -> str:
    """Return how many columns are of each kind, `2 category, 3 number`, of heads as in a config."""
    counts = Counter(str(head.get("kind")) for head in heads)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
