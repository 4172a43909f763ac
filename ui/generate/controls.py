"""Controls that several sections of the Generate page show."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

MAX_SAMPLE_SEED = 2**31


def make_control_row() -> DeltaGenerator:
    """Returns a container whose controls stand in a row."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def choose_seed(
    row: DeltaGenerator, label: str, key: str, default: int, width: int, help: str
) -> int:
    """Show a number input for a seed, kept in the address; an empty one is 0."""
    seed = row.number_input(
        label, 0, MAX_SAMPLE_SEED, default, 1, key=key, bind="query-params", width=width, help=help
    )
    return seed or 0
