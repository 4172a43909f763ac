"""Which inputs the units are measured on."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from aecore.data.splits import Dataset
from ui.kit.inputs import SPLIT_NAMES, Inputs, make_split_inputs
from ui.kit.links import select_linked


def choose_split(container: DeltaGenerator, dataset: Dataset) -> tuple[str, Inputs]:
    """Show a select box over a run's own test and training examples, kept in the address.

    Returns the split's name and its inputs.
    """
    counts = {split: len(getattr(dataset, split).x) for split in SPLIT_NAMES}
    names = {split: f"{SPLIT_NAMES[split]}, {count:,} inputs" for split, count in counts.items()}
    split = select_linked(container, "Inputs", list(SPLIT_NAMES), "split", names)
    return split, make_split_inputs(dataset, split)
