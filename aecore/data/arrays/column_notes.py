"""Sentences on columns that need care: of two values, with long tails, with gaps, constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aecore.data.raw import Array, format_count
from aecore.errors import DataError
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
    notes = _describe_gaps(x, columns)
    pair = find_value_pair(rows)
    if pair is not None:
        text = f"All values are {pair[0]:g} or {pair[1]:g}: modelled as two kinds, not scaled."
        return [*notes, text]
    traits = find_column_traits(rows)
    if traits.nearly_constant.any():
        which = _name_columns(columns, traits.nearly_constant.tolist())
        notes.append(f"Nearly constant: {which}. Differences this small are kept small.")
    if traits.long_tailed.any():
        which = _name_columns(columns, traits.long_tailed.tolist())
        notes.append(f"A few values are far from all others in {which}: scaled by the others.")
    if traits.clipped.any():
        notes.append(f"{CLIP_NOTE[:-1]}: {_name_columns(columns, traits.clipped.tolist())}.")
    return notes


def check_varied_rows(x: Array, name: str) -> None:
    """Raise DataError for rows (N, features) that are all missing, or all alike."""
    if x.ndim != 2 or len(x) < 2:
        return
    low, high = np.fmin.reduce(x), np.fmax.reduce(x)  # NaN where a column has no value
    if np.isnan(low).all():
        raise DataError(f"{name} has no values: all of them are NaN. Give it numbers.")
    if not (low < high).any():
        raise DataError(
            f"Every column of {name} has one value only, so there is nothing to learn. "
            "Give it rows that differ."
        )


def _describe_gaps(x: Array, columns: Sequence[str]) -> list[str]:
    """Return sentences on missing values, and on columns with one value only."""
    has_gaps, notes = np.isnan(np.minimum.reduce(x)), []
    if has_gaps.any():
        count = sum(int(np.isnan(x[:, i]).sum()) for i in np.flatnonzero(has_gaps))
        which = _name_columns(columns, has_gaps.tolist())
        notes.append(f"{format_count(count, 'missing value')}, in {which}.")
    is_constant = np.fmin.reduce(x) == np.fmax.reduce(x)
    if is_constant.any():
        notes.append(
            f"One value only in every row: {_name_columns(columns, is_constant.tolist())}."
        )
    return notes


def _name_columns(columns: Sequence[str], chosen: Sequence[bool]) -> str:
    names = [name for name, is_chosen in zip(columns, chosen, strict=True) if is_chosen]
    return list_few(names, 5)
