"""Variants: named combinations of parts, each with its formula, its paper, its colour and settings.

A new variant is one entry in the file of its family. `fitting.configure` fits a variant to the
shape of some data, `overrides.override_config` changes single options of the result; the table
alone imports no torch.
"""

from aecore.model.variants.base import Variant
from aecore.model.variants.table import VARIANTS, find_variant

__all__ = ["VARIANTS", "Variant", "find_variant"]
