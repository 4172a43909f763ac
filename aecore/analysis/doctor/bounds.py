"""Cures within the bounds of the fields that they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from aecore.model.config import RunConfig
from aecore.model.knobs import list_parts


def clip_settings(config: RunConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns changes of a config, {path: value}, with each number within its field's bounds.

    A change that does nothing then, for the run is at the bound already, is left out.
    """
    parts, clipped = dict(list_parts(config)), {}
    for path, value in settings.items():
        part_path, _, name = path.rpartition(".")
        part = parts.get(part_path)
        field = type(part).model_fields.get(name) if part else None
        clipped[path] = clip_to_field(field, value) if field else value
        if field and clipped[path] != value and clipped[path] == getattr(part, name):
            del clipped[path]
    return clipped


def clip_to_field(field: FieldInfo, value: Any) -> Any:
    """Returns a number within the bounds of a field; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    for rule in field.metadata:
        if (lowest := getattr(rule, "ge", None)) is not None:
            value = max(value, lowest)
        if (highest := getattr(rule, "le", None)) is not None:
            value = min(value, highest)
    return value
