"""Sentences on columns that need care: of two values, with long tails, nearly constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aecore.data.raw import Array
from aecore.names import list_few

CLIP_NOTE = "To models, values beyond 30 deviations from the mean count as 30."


def describe_odd_columns(x: Array, columns: Sequence[str]) -> list[str]:
    """Return what is unusual about the columns of rows x (N, features), float32, with NaN or not.

    Nothing is said of pictures.
    """
    if x.ndim != 2 or len(x) < 2:
        return []
    import torch

    from aecore.model.scaling import find_column_traits, find_value_pair

    rows = torch.from_numpy(np.ascontiguousarray(x))
    pair = find_value_pair(rows)
    if pair is not None:
        return [f"All values are {pair[0]:g} or {pair[1]:g}: modelled as two kinds, not scaled."]
    traits, notes = find_column_traits(rows), []
    if traits.nearly_constant.any():
        which = _name_columns(columns, traits.nearly_constant.tolist())
        notes.append(f"Nearly constant: {which}. Differences this small are kept small.")
    if traits.long_tailed.any():
        which = _name_columns(columns, traits.long_tailed.tolist())
        notes.append(f"A few values are far from all others in {which}: scaled by the others.")
    if traits.clipped.any():
        notes.append(f"{CLIP_NOTE[:-1]}: {_name_columns(columns, traits.clipped.tolist())}.")
    return notes


def _name_columns(columns: Sequence[str], chosen: Sequence[bool]) -> str:
    names = [name for name, is_chosen in zip(columns, chosen, strict=True) if is_chosen]
    return list_few(names, 5)
