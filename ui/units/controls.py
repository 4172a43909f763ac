"""Which inputs the units are measured on."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from aecore.data.splits import Dataset
from ui.kit.inputs import SPLIT_NAMES, Inputs, make_split_inputs
from ui.kit.links import select_linked

MEASURED_VALUES = 200_000_000  # of all codes together: half a minute of a processor


def choose_split(container: DeltaGenerator, dataset: Dataset, units: int) -> tuple[str, Inputs]:
    """Show a select box over a run's own test and training examples, kept in the address.

    Returns the split's name and its inputs, of which as many are taken as `units` allow.
    """
    names = {split: describe_split(dataset, split, units) for split in SPLIT_NAMES}
    split = select_linked(container, "Inputs", list(SPLIT_NAMES), "split", names)
    return split, take_measured_inputs(dataset, split, units)


def describe_split(dataset: Dataset, split: str, units: int) -> str:
    """Returns a split's name, and how many of its inputs are measured."""
    count = len(getattr(dataset, split).x)
    measured = count_measured_inputs(count, units)
    first = "first " if measured < count else ""
    return f"{SPLIT_NAMES[split]}, {first}{measured:,} inputs"


def count_measured_inputs(count: int, units: int) -> int:
    """Returns how many of so many inputs are measured: all, unless there are too many units."""
    return min(count, max(1, MEASURED_VALUES // units))


def take_measured_inputs(dataset: Dataset, split: str, units: int) -> Inputs:
    """Returns the inputs of a split on which the units are measured: the first ones."""
    inputs = make_split_inputs(dataset, split)
    count = count_measured_inputs(len(inputs.x), units)
    return inputs._replace(x=inputs.x[:count], y=None if inputs.y is None else inputs.y[:count])
