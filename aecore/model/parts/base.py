"""What every part shares: a frozen, self-checking description of its options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Frozen, JSON both ways, unknown fields refused; each field carries the text that the form shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
