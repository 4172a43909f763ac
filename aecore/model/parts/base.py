"""Options, the base class of every part's settings: frozen, validated, JSON both ways."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Settings that refuse unknown fields; each field's `description` is the text in the form."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
