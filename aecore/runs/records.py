"""The lines of metrics.jsonl: one record each, checked as it is read."""

from __future__ import annotations

import json
import os
from typing import Any


def parse_record(line: bytes) -> dict[str, Any] | None:
    """One record: a kind and finite numbers; None for a line that was torn or that no trainer wrote."""
    try:
        row = json.loads(line) if len(line) < 10_000 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("kind") not in ("epoch", "pretrain", "test"):
        return None
    numbers = (value for name, value in row.items() if name != "kind")
    return (
        row if all(type(v) in (int, float) and abs(v) < 1e300 for v in numbers) else None
    )  # a NaN is not either


def ends_with_newline(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
