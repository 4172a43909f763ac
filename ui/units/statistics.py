"""The statistics of a run's units, which a thread computes once for all visitors."""

from __future__ import annotations

import threading

import streamlit as st

from aecore.analysis.units import UnitStatistics, measure_units
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.inputs import Inputs
from ui.kit.jobs import poll_job, start_job
from ui.kit.memory import keep_in_memory

PATIENCE = 0.3  # seconds in which kept statistics are there, and the page need not look again


def get_unit_statistics(run: Run, split: str, inputs: Inputs) -> UnitStatistics | None:
    """Return the statistics of a run's units over a split; None while a thread computes them.

    Shows how far it is, or why it failed.
    """
    name = f"units-{run.id}-{run.version()}-{inputs.name}"
    if st.session_state.get("units-job") != name:
        start_measuring(name, run, split, inputs)
    message = f"Measuring {run.config().model.latent_dim:,} units on {len(inputs.x):,} inputs"
    if poll_job(name, message).state != "done":
        return None
    return load_unit_statistics(str(run.path), run.version(), split, inputs.name, run, inputs)


def start_measuring(name: str, run: Run, split: str, inputs: Inputs) -> None:
    """Let a thread compute the statistics, unless they are kept; wait for it for a moment."""
    is_ready = threading.Event()
    st.session_state["units-job"] = name
    path, version = str(run.path), run.version()

    def work() -> None:
        try:
            load_unit_statistics(path, version, split, inputs.name, run, inputs)
        finally:
            is_ready.set()

    start_job(name, work)
    is_ready.wait(PATIENCE)


@keep_in_memory("Measuring the units ...")
def load_unit_statistics(
    path: str,
    version: float,
    split: str,
    data_name: str,
    _run: Run,
    _inputs: Inputs,
) -> UnitStatistics:
    """Return the statistics of all units over inputs, which split and data name identify."""
    return measure_units(get_model(_run), _inputs.x)
