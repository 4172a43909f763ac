"""The options in which runs differ, for the Compare page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from aecore.model.config import RunConfig
from aecore.model.parts.column_heads import count_kinds


def tabulate_differences(configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """Returns the options that are not the same in all runs {id: config}.

    A row is an option by its dotted path, a column a run.
    """
    options = [dict(flatten_options(config.model_dump(mode="json"))) for config in configs.values()]
    paths = order_paths([path for values in options for path in values])
    parts = {path.removesuffix(".kind") for path in paths if path.endswith(".kind")}
    options = [
        {f"{path}.kind" if path in parts else path: text for path, text in values.items()}
        for values in options
    ]
    rows = {
        path: [values.get(path, "") for values in options] for path in paths if path not in parts
    }
    unequal = {path: row for path, row in rows.items() if len(set(row)) > 1}
    frame = pd.DataFrame.from_dict(unequal, orient="index", columns=list(configs))
    return frame.rename_axis("option")


def order_paths(paths: Sequence[str]) -> list[str]:
    """Returns each path once, as first met, with those under one heading kept together."""
    ranks: dict[str, int] = {}

    def rank_headings(path: str) -> list[int]:
        words = path.split(".")
        headings = [".".join(words[: i + 1]) for i in range(len(words))]
        return [ranks.setdefault(heading, len(ranks)) for heading in headings]

    ranks_by_path = {path: rank_headings(path) for path in paths}
    return sorted(ranks_by_path, key=ranks_by_path.__getitem__)


def flatten_options(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Returns nested options as (dotted path, text).

    Penalties are named by their kind, columns counted; a list of numbers is one text.
    """
    if path.endswith(".heads"):
        return [(path, count_kinds(value))]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = group_parts_by_kind(value)
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return [
            pair
            for name, item in value.items()
            for pair in flatten_options(item, f"{prefix}{name}")
        ]
    if isinstance(value, list):
        return [(path, ", ".join(map(str, value)))]
    return [(path, "none" if value is None else str(value))]


def group_parts_by_kind(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns parts by their kind, with a number where there are several of one."""
    named: dict[str, Any] = {}
    for i, part in enumerate(parts):
        kind = str(part.get("kind", i))
        named[f"{kind} {i}" if kind in named else kind] = {
            name: value for name, value in part.items() if name != "kind"
        }
    return named
