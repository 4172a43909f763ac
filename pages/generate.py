"""Generate: new examples from a run's code space: samples, interpolations, walks."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.runs.run import Run
from ui.generate.interpolation import show_interpolation
from ui.generate.samples import show_samples
from ui.generate.walk import show_walk
from ui.kit.cache import get_dataset, get_model
from ui.kit.messages import show_error
from ui.kit.page_modes import choose_section
from ui.kit.run_data import show_data_remark
from ui.kit.runs import choose_run

SENTENCES = {
    "Samples": "**Draw codes and decode them:** what does the model believe that data looks like?",
    "Interpolate": "**Walk from one code to another:** is what lies between them data, too?",
    "Walk": "**Change one number of a code:** what did the model make it stand for?",
}
SHOW_SECTION = {
    "Samples": show_samples,
    "Interpolate": show_interpolation,
    "Walk": show_walk,
}


@st.fragment  # a control of a section draws the section anew, not the page
def show_section(mode: str, run: Run) -> None:
    """Show one of the page's sections for a run."""
    try:
        SHOW_SECTION[mode](run, get_model(run), get_dataset(run)[0])
    except AecoreError as error:
        show_error(error)


st.title("Generate")
chosen_mode = choose_section("What to do", SENTENCES, "Samples")
chosen_run = choose_run()
try:
    show_data_remark(chosen_run, get_dataset(chosen_run)[1])
except AecoreError as error:
    show_error(error)
else:
    show_section(chosen_mode, chosen_run)
