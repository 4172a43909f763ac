"""About how long a training will take here, as the form tells it."""

from __future__ import annotations

import streamlit as st

from aecore.runs.run import Run
from aecore.training.devices import pick_device
from aecore.training.speed import MachineSpeed, estimate_training_seconds, measure_machine_speed
from ui.train.backend_form import TrainingPlace
from ui.train.form import TrainingChoice

ESTIMATE_KEY = "training-seconds"  # of the session, with the id of a run behind it
UNITS = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))


def estimate_choice_seconds(
    choice: TrainingChoice, place: TrainingPlace | None, seeds: int = 1
) -> float | None:
    """Returns about how long one run takes, or several seeds of it; None where that is not known.

    It is known for the processor of this machine, once the server has measured its speed.
    """
    is_here = place is not None and place.engine == "local"
    speed = read_machine_speed()
    if not is_here or speed is None or pick_device("auto").type != "cpu":
        return None
    about = choice.about
    return estimate_training_seconds(choice.config, about.count, speed, seeds, about.is_on_disk)


def describe_training_time(choice: TrainingChoice, seconds: float | None, runs: int) -> str:
    """Returns the time of one run as the end of a sentence; empty where it is not known."""
    if seconds is None:
        return ""
    training = choice.config.training
    at_most = "at most " if training and training.early_stopping else ""
    each = " each" if runs > 1 else ""
    return f" · trains for {at_most}about **{format_rough_time(seconds)}**{each}"


def keep_training_estimate(run: Run, seconds: float | None) -> None:
    """Remember for this session how long a run was expected to take."""
    st.session_state[f"{ESTIMATE_KEY}-{run.id}"] = seconds


def describe_kept_estimate(run: Run) -> str:
    """Returns how long this session expects a run to take; empty where it knows of none."""
    seconds = st.session_state.get(f"{ESTIMATE_KEY}-{run.id}")
    return "" if seconds is None else f", about {format_rough_time(seconds)} in all"


def read_machine_speed() -> MachineSpeed | None:
    """Returns how fast this machine trains; None until the server has measured it at its start."""
    return measure_machine_speed() if measure_machine_speed.cache_info().currsize else None


def format_rough_time(seconds: float) -> str:
    """Returns a time in its largest unit, one digit or two: `40 s`, `3 min`, `2 h`."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 1.5 * size), UNITS[-1])
    count = max(1, round(seconds / size))
    if count > 20:
        count = round(count, -1)
    return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
