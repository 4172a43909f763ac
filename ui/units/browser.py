"""The unit browser: the table of units beside the one that is chosen."""

from __future__ import annotations

import streamlit as st

from aecore.analysis.units import UnitStatistics
from aecore.data.splits import Dataset
from aecore.runs.run import Run
from ui.kit.inputs import Inputs
from ui.units.names import get_unit_names
from ui.units.table import choose_unit_in_table
from ui.units.unit import show_unit


@st.fragment
def browse_units(run: Run, dataset: Dataset, inputs: Inputs, statistics: UnitStatistics) -> None:
    """Show the table and one unit; a click draws these alone anew."""
    names = get_unit_names(run)
    left, right = st.columns([5, 7], gap="large")
    with left:
        unit = choose_unit_in_table(run, statistics, names)
    with right:
        show_unit(run, dataset, inputs, statistics, unit, names)
