"""Units: what each unit of a code adds, what excites it, and what happens without it."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.messages import show_error, show_note
from ui.kit.runs import choose_run
from ui.units.browser import browse_units
from ui.units.controls import choose_split
from ui.units.statistics import get_unit_statistics

st.title("Units")
st.markdown(
    "A code is a list of units. **Choose one to see its atom, the inputs that excite it, and "
    "reconstructions without it.**"
)
left, right = st.columns(2)
with left:
    run = choose_run(first="mnist-k-sparse")
try:
    dataset, remark = get_dataset(run)
    show_note(remark)
    split, inputs = choose_split(right, dataset)
    statistics = get_unit_statistics(run, split, inputs)
    if statistics is not None:
        browse_units(run, dataset, inputs, statistics)
except AecoreError as error:
    show_error(error)
