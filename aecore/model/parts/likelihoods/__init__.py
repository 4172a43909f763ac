"""Likelihoods: the reconstruction loss, and what it says about the data.

Every file here defines one kind: its options, a subclass of LikelihoodBase, and the module that
they build. Files are found by themselves: a new kind needs no entry anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aecore.model.parts.kinds import collect_kinds
from aecore.model.parts.likelihoods.base import LikelihoodBase

if TYPE_CHECKING:
    LikelihoodOptions = LikelihoodBase
else:
    LikelihoodOptions = collect_kinds(__name__, LikelihoodBase)
