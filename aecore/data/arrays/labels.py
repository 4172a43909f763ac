"""Labels in arrays: one an example, as they are, in a column of their own, or one-hot."""

from __future__ import annotations

import numpy as np

from aecore.data.raw import Array
from aecore.errors import DataError

MAX_WORD_CLASSES = 1000  # of labels that are repeated less than twice each
MANY_CLASSES = 100  # as many different whole numbers may be measurements, if few are repeated


class UnusableLabels(DataError):
    """Labels that are well-formed but name no classes; examples can be used without them."""


def find_labels(array: Array, count: int, name: str, is_guess: bool = False) -> Array:
    """Return labels as (count,) whole numbers or text; with `is_guess` classes must be repeated.

    Raises UnusableLabels for what is no class of each example, DataError for another number of
    labels.
    """
    if array.ndim == 2 and array.shape[0] == 1 != count:
        array = array[0]
    if array.ndim == 0 or len(array) != count:
        raise DataError(
            f"{name} holds {array.dtype} of shape {array.shape}, but there are {count:,} examples. "
            "Save one label for each."
        )
    if array.dtype.kind not in "iubfUS":
        raise UnusableLabels(
            f"{name} holds {array.dtype}, which are no classes. Save whole numbers or strings."
        )
    if array.size == count:
        return _check_classes(array.reshape(count), name, is_guess)
    if array.ndim == 2 and array.dtype.kind in "iubf" and ((array == 0) | (array == 1)).all():
        if (array.sum(1) == 1).all():
            return array.argmax(1)
        raise UnusableLabels(f"{name} gives an example several labels or none. Save one for each.")
    raise UnusableLabels(
        f"{name} has shape {array.shape}: no class of each example. Save one label for each."
    )


def _check_classes(labels: Array, name: str, is_guess: bool) -> Array:
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all() or (labels != np.rint(labels)).any():
            raise UnusableLabels(
                f"{name} holds numbers with fractions or missing ones, a target and no classes. "
                "Save whole numbers or strings."
            )
        labels = labels.astype(np.int64)
    different = len(np.unique(labels))
    is_few = 2 * different <= len(labels) or (different <= MANY_CLASSES and not is_guess)
    if is_few or (labels.dtype.kind in "US" and different <= MAX_WORD_CLASSES and not is_guess):
        return labels
    raise UnusableLabels(
        f"{name} has {different:,} different values for {len(labels):,} examples, which are "
        "hardly classes. Save fewer kinds of labels."
    )


def name_classes(labels: Array, names: Array, told: str) -> tuple[Array, str]:
    """Return whole numbers from 0 on as the names (K,) of their classes, and a sentence on it.

    Other labels are returned as they are. `told` is what the sentence calls the names.
    """
    is_number = labels.dtype.kind in "iub" and len(labels) > 0
    if not is_number or labels.min() < 0 or labels.max() >= len(names):
        return labels, f"{told} does not name each class: left out."
    return names[labels.astype(np.int64)], f"Classes are named by {told}."
