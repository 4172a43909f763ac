"""Compare: the same inputs through several runs, their curves and numbers, and what differs."""

from __future__ import annotations

import streamlit as st

from ui.compare.chosen_runs import choose_compared_runs
from ui.compare.curves import show_loss_curves
from ui.compare.same_inputs import show_same_inputs
from ui.compare.sections import offer_tables, show_differences, show_metrics_table
from ui.compare.sweep import show_sweep
from ui.kit.doctor import show_diagnoses

st.title("Compare")
st.markdown(
    "**The same inputs through every run**, on one scale: see what each keeps, loses and invents."
)
show_sweep()
runs = choose_compared_runs()
show_same_inputs(runs)
st.subheader("Curves", anchor=False)
show_loss_curves(runs)
metrics = show_metrics_table(runs)
show_diagnoses(runs)
differences = show_differences(runs)
offer_tables(runs, metrics, differences)
