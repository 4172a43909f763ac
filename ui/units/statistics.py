"""The statistics of a run's units, which a thread computes once for all visitors."""

from __future__ import annotations

from aecore.analysis.units import UnitStatistics, measure_units
from aecore.runs.run import Run
from ui.kit.cache import get_model
from ui.kit.inputs import Inputs
from ui.kit.measurement import wait_for_measurement
from ui.kit.memory import keep_in_memory


def wait_for_statistics(run: Run, split: str, inputs: Inputs) -> float | None:
    """Return the version of a run whose units are measured; None while a thread measures them.

    Of a run that trains it may be an earlier one.
    """
    version = run.version()

    def measure() -> None:
        load_unit_statistics(str(run.path), version, split, inputs.name, run, inputs)

    name = f"units-{run.path}-{inputs.name}"
    message = f"Measuring {run.config().model.latent_dim:,} units on {len(inputs.x):,} inputs"
    measured = wait_for_measurement(name, version, message, measure)
    return measured.version if measured else None


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
