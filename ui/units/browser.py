"""The unit browser: the table of units beside the one that is chosen."""

from __future__ import annotations

import streamlit as st

from aecore.runs.run import Run
from ui.kit.cache import get_dataset
from ui.units.controls import take_measured_inputs
from ui.units.names import get_unit_names
from ui.units.statistics import load_unit_statistics
from ui.units.table import choose_unit_in_table
from ui.units.unit import show_unit


@st.fragment
def browse_units(run: Run, split: str, version: float) -> None:
    """Show the table and one unit, as measured on a split; a click draws these alone anew.

    Between clicks it holds no data: those come from the memory that visitors share.
    """
    dataset, _ = get_dataset(run)
    inputs = take_measured_inputs(dataset, split, run.config().model.latent_dim)
    statistics = load_unit_statistics(str(run.path), version, split, inputs.name, run, inputs)
    names = get_unit_names(run)
    left, right = st.columns([5, 6], gap="medium")
    with left:
        unit = choose_unit_in_table(run, statistics, names)
    with right:
        show_unit(run, dataset, inputs, statistics, unit, names)
