"""The table of all variants, family by family."""

from __future__ import annotations

from aecore.errors import ConfigError
from aecore.model.variants.base import Variant
from aecore.model.variants.basic import BASIC_VARIANTS
from aecore.model.variants.contractive import CONTRACTIVE_VARIANTS
from aecore.model.variants.denoising import DENOISING_VARIANTS
from aecore.model.variants.discrete import DISCRETE_VARIANTS
from aecore.model.variants.sparse import SPARSE_VARIANTS
from aecore.model.variants.variational import VARIATIONAL_VARIANTS

# Menus and pages show them in this order. Colours: a hue for each family (after Paul Tol's
# colour-blind safe sets), the lightness by variant.
VARIANTS: dict[str, Variant] = {
    **BASIC_VARIANTS,
    **DENOISING_VARIANTS,
    **SPARSE_VARIANTS,
    **CONTRACTIVE_VARIANTS,
    **VARIATIONAL_VARIANTS,
    **DISCRETE_VARIANTS,
}


def find_variant(name: str) -> Variant:
    """Return the variant of that name; ConfigError lists the known ones."""
    if name not in VARIANTS:
        raise ConfigError(f"There is no variant {name!r}. Known: {', '.join(VARIANTS)}.")
    return VARIANTS[name]
