"""Units: what each unit of a code adds, what excites it, and what happens without it."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.cache import get_dataset
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run
from ui.units.browser import browse_units
from ui.units.controls import choose_split
from ui.units.statistics import wait_for_statistics

st.title("Units")
st.markdown(
    "A code is a list of units. **Choose one to see what it adds to the output (its atom), the "
    "inputs that excite it, and reconstructions without it.**"
)
left, right = st.columns(2)
with left:
    run = choose_run(first="mnist-k-sparse")
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    split, inputs = choose_split(right, dataset, run.config().model.latent_dim)
    version = wait_for_statistics(run, split, inputs)
    if version is not None:
        browse_units(run, split, version)
except AecoreError as error:
    show_error(error)
