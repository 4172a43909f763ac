"""The statistics of a run's units, which a thread computes once for all visitors."""

from __future__ import annotations

import threading
from typing import NamedTuple

import streamlit as st

from aecore.analysis.units import UnitStatistics, measure_units
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.inputs import Inputs
from ui.kit.jobs import poll_job, start_job
from ui.kit.memory import keep_in_memory

MEASUREMENT_KEY = "units-measurement"  # of the session
UNITS_PATIENCE = 0.3  # seconds in which kept statistics are there, and the page need not look again


class Measurement(NamedTuple):
    """Units that a thread measures for this session."""

    name: str  # of the job: of the run and the inputs
    version: float  # of the run
    is_shown: bool = False


def wait_for_statistics(run: Run, split: str, inputs: Inputs) -> float | None:
    """Return the version of a run whose units are measured; None while a thread measures them.

    Shows how far it is, or why it failed. Of a run that trains, each measurement is shown before
    the next one begins.
    """
    name = f"units-{run.id}-{inputs.name}"
    last: Measurement | None = st.session_state.get(MEASUREMENT_KEY)
    is_old = last is not None and last.is_shown and last.version != run.version()
    if last is None or last.name != name or is_old:
        last = start_measuring(name, run, split, inputs)
    message = f"Measuring {run.config().model.latent_dim:,} units on {len(inputs.x):,} inputs"
    state = poll_job(name, message).state
    st.session_state[MEASUREMENT_KEY] = last._replace(is_shown=state == "done")
    if state == "failed":
        del st.session_state[MEASUREMENT_KEY]  # the next click tries again
    return last.version if state == "done" else None


def start_measuring(name: str, run: Run, split: str, inputs: Inputs) -> Measurement:
    """Let a thread compute the statistics, unless they are kept; wait for it for a moment."""
    is_ready, version = threading.Event(), run.version()

    def work() -> None:
        try:
            load_unit_statistics(str(run.path), version, split, inputs.name, run, inputs)
        finally:
            is_ready.set()

    start_job(name, work)
    is_ready.wait(UNITS_PATIENCE)
    return Measurement(name, version)


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
