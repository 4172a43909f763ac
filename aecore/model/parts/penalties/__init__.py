"""Penalties: terms added to the loss that shape the code.

Every class with a `kind` in a file of this folder is one: its options, and called with a batch, the
term itself. A term is already a mean over the batch; its weight is applied in the class and nowhere
else. Files are found by themselves: a new penalty needs no entry anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aecore.model.parts.kinds import collect_kinds
from aecore.model.parts.penalties.base import PenaltyBase

if TYPE_CHECKING:
    Penalty = PenaltyBase
else:
    Penalty = collect_kinds(__name__, PenaltyBase)
