"""Variants: named combinations of parts, each with its formula, its paper, its colour and settings.

A new variant is one entry in the file of its family. `configure` fits a variant to the shape of
some data, `override_config` changes single options of the result.
"""

from aecore.model.variants.base import Variant
from aecore.model.variants.fitting import SMALL, configure, is_beyond_digits
from aecore.model.variants.overrides import keep_possible_path, override_config
from aecore.model.variants.table import VARIANTS, find_variant

__all__ = [
    "SMALL",
    "VARIANTS",
    "Variant",
    "configure",
    "find_variant",
    "is_beyond_digits",
    "keep_possible_path",
    "override_config",
]
