"""The names of units: in the run's folder for its owner, in the session for anybody else."""

from __future__ import annotations

import streamlit as st

from aecore.runs.run import Run
from aecore.runs.unit_names import (
    MAX_UNIT_NAME,
    clean_unit_names,
    read_unit_names,
    write_unit_names,
)
from ui.kit.messages import show_error_toast
from ui.kit.visitor import may_change

NAMES_KEY = "unit-names"  # of the session: {run id: {unit: name}}


def get_unit_names(run: Run) -> dict[int, str]:
    """Return the names of a run's units that this visitor sees: the owner's, and their own."""
    own = st.session_state.get(NAMES_KEY, {}).get(run.id, {})
    return clean_unit_names({**read_unit_names(run.path), **own})


def show_name_field(run: Run, unit: int, names: dict[int, str]) -> None:
    """Show a text field for the name of a unit."""
    is_kept = may_change(run)
    place = "Kept with the run." if is_kept else "Kept until you close this tab."
    st.text_input(
        "Name",
        names.get(unit, ""),
        MAX_UNIT_NAME,
        key=f"name-{run.id}-{unit}",
        placeholder="What does it respond to?",
        help=f"What you call this unit; the table can be searched for it. {place}",
        on_change=keep_unit_name,
        args=(run, unit),
    )


def keep_unit_name(run: Run, unit: int) -> None:
    """Keep the name in the field, or forget it where the field is empty."""
    name = str(st.session_state[f"name-{run.id}-{unit}"] or "")
    if not may_change(run):
        st.session_state.setdefault(NAMES_KEY, {}).setdefault(run.id, {})[unit] = name
        return
    try:
        write_unit_names(run.path, {**read_unit_names(run.path), unit: name})
    except OSError as error:
        show_error_toast(f"The name cannot be kept: {error.strerror or error}.")
