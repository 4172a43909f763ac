"""About how long a training will take here, as the form tells it."""

from __future__ import annotations

from aecore.training.devices import pick_device
from aecore.training.speed import MachineSpeed, estimate_training_seconds, measure_machine_speed
from ui.train.backend_form import TrainingPlace
from ui.train.form import TrainingChoice

UNITS = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))


def describe_training_time(choice: TrainingChoice, place: TrainingPlace | None, runs: int) -> str:
    """Returns the time of one run as the end of a sentence; empty where it is not known.

    It is known for the processor of this machine, once the server has measured its speed.
    """
    is_here = place is not None and place.engine == "local"
    if not is_here or pick_device("auto").type != "cpu":
        return ""
    speed = read_machine_speed()
    if speed is None:
        return ""
    seconds = estimate_training_seconds(choice.config, choice.about.count, speed)
    training = choice.config.training
    at_most = "at most " if training and training.early_stopping else ""
    each = " each" if runs > 1 else ""
    return f" · trains for {at_most}about **{format_rough_time(seconds)}**{each}"


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
