"""Networks: encoders that map inputs to code parameters, decoders that map codes to logits.

Every file here defines one kind: its options, a subclass of NetworkBase, and the encoder and
decoder that they build. Files are found by themselves: a new kind needs no entry anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aecore.model.parts.kinds import collect_kinds
from aecore.model.parts.networks.base import NetworkBase

if TYPE_CHECKING:
    Network = NetworkBase
else:
    Network = collect_kinds(__name__, NetworkBase)
