"""The sections of the Manifold page, of which one is shown at a time."""

from __future__ import annotations

import streamlit as st

from aecore.data.splits import Dataset
from aecore.runs.run import Run
from ui.kit.inputs import Inputs
from ui.manifold.dimension import show_dimension
from ui.manifold.noise import show_noise
from ui.manifold.point import choose_point
from ui.manifold.surface import show_surface
from ui.manifold.tangents import show_tangents

MANIFOLD_SENTENCES = {
    "Tangents": "**Directions along the data manifold:** those in which each decoder moves most.",
    "Noise": "**Leave the manifold on purpose:** does the model find the way back?",
    "Dimension": "**How many directions are there?** The map, coloured by the dimension around "
    "each point.",
    "Surface": "**The learned surface itself,** among data of two or three dimensions.",
}
SHOW_AT_POINT = {"Tangents": show_tangents, "Noise": show_noise, "Surface": show_surface}


def show_manifold_section(section: str, runs: list[Run], dataset: Dataset, inputs: Inputs) -> None:
    """Show a section; where it looks at one input, beside a map on which that is chosen."""
    if section == "Dimension":
        show_dimension(runs, inputs)
        return
    left, right = st.columns([2, 5], gap="medium")
    with left:
        x = choose_point(runs[0], inputs)
    with right:
        SHOW_AT_POINT[section](runs, dataset, x)
