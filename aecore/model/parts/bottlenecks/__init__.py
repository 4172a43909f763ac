"""Bottlenecks: from the encoder's last layer to the code, and the cost of that step.

Every file here defines one kind: its options, a subclass of BottleneckBase, and the module that
they build. Files are found by themselves: a new kind needs no entry anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aecore.model.parts.bottlenecks.base import BottleneckBase
from aecore.model.parts.kinds import collect_kinds

if TYPE_CHECKING:
    BottleneckOptions = BottleneckBase
else:
    BottleneckOptions = collect_kinds(__name__, BottleneckBase)
