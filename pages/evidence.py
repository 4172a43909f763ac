"""Evidence: each variant held against its paper, with the command that repeats the test."""

from __future__ import annotations

import streamlit as st

from ui.evidence.details import choose_experiment, show_experiment
from ui.evidence.overview import load_experiments, show_overview, warn_of_unknown_experiment

st.title("Evidence")
st.markdown(
    "**Is each autoencoder here what its paper says?** Claims of the papers, and what was measured "
    "here."
)
experiments = load_experiments()
warn_of_unknown_experiment(experiments)
show_overview(experiments)
show_experiment(choose_experiment(experiments))
