"""The classes that count as normal, and their names in a sentence."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from aecore.data.splits import Dataset
from aecore.names import escape_name
from aecore.runs.run import Run
from ui.kit.inputs import Inputs

COMMON_SHARE = 0.6  # of the examples, from which one of two classes is taken for the normal one
SPELLED_CLASSES = 3  # more are not named in a sentence


def choose_normal_classes(run: Run, inputs: Inputs) -> tuple[str, ...]:
    """Returns the classes that count as normal; none where the inputs have no classes.

    That is the class the run was trained on, and is shown; else the visitor chooses some.
    """
    if inputs.y is None or not inputs.classes:
        return ()
    config = run.config().data
    train_class = config.train_class if config else None
    if train_class in inputs.classes:
        st.markdown(
            f"Normal: **{escape_name(train_class)}**",
            help="The class that the run was trained on, and no other.",
        )
        return (train_class,)
    indices = inputs.y.unique().tolist()
    present = [inputs.classes[i] for i in indices if i < len(inputs.classes)]
    default = guess_normal_classes(inputs.y, inputs.classes, present)
    if not set(st.session_state.get("normal") or []) <= set(present):
        st.session_state["normal"] = default
    names = st.multiselect(
        "Normal classes",
        present,
        default,
        key="normal",
        bind="query-params",
        help="All others are there to be found. This run was trained on every class: for a "
        "detector of one, train it with that alone.",
    )
    return tuple(names or default)


def guess_normal_classes(y: Tensor, classes: tuple[str, ...], present: list[str]) -> list[str]:
    """Returns the common one of two present classes where the other is rare, else all."""
    counts = {name: int((y == classes.index(name)).sum()) for name in present}
    common = max(counts, key=lambda name: counts[name], default="")
    return [common] if len(present) == 2 and counts[common] >= COMMON_SHARE * len(y) else present


def list_own_normal_classes(run: Run, dataset: Dataset, names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the normal classes among those of the run's own data."""
    config = run.config().data
    if config and config.train_class in dataset.classes:
        return (config.train_class,)
    return tuple(name for name in names if name in dataset.classes)


def mark_normal(
    y: Tensor | None, classes: tuple[str, ...], names: tuple[str, ...], count: int
) -> Tensor:
    """Returns bool (count,): True for examples of the named classes; all where none is known."""
    if y is None or not names:
        return torch.ones(count, dtype=torch.bool)
    return torch.isin(y, torch.tensor([i for i, name in enumerate(classes) if name in names]))


def spell_classes(names: tuple[str, ...]) -> str:
    """Returns the classes of examples, for the middle of a sentence; empty where too many."""
    if not names or len(names) > SPELLED_CLASSES:
        return ""
    return f", {' or '.join(spell_class(name) for name in names)}"


def spell_class(name: str) -> str:
    """Returns a class as it is called in a sentence: a bare number would be taken for one."""
    return f"class {name}" if name.isdigit() else name
