"""Options, the base class of every part's settings: frozen, validated, JSON both ways."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

# `Field(..., json_schema_extra=LIVE)` marks a number that may be moved while a run trains: a knob
LIVE: dict[str, Any] = {"live": True}

CodeGrid = tuple[int, int, int]  # channels, height and width of a code that lies on a grid


class Options(BaseModel):
    """Settings that refuse unknown fields; each field's `description` is the text in the form."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    is_offered: ClassVar[bool] = True  # in the forms that choose the kind of a part
