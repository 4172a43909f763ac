"""How long a training still takes, by the epochs that it has done."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aecore.progress import estimate_seconds_left
from aecore.runs.records import EpochRecord
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES, State

RECENT_EPOCHS = 50  # by which the pace is judged: a machine may be busier than it was


def estimate_training_left(records: Sequence[EpochRecord], state: State) -> float | None:
    """Returns the seconds until the last epoch of a run that trains, without early stopping.

    `records` are `Run.epochs()`. None before the first epoch is done.
    """
    recent = [record.seconds for record in records[-RECENT_EPOCHS:] if record.seconds is not None]
    open_epochs = max(0.0, state.epochs - state.epoch - state.progress)
    if not recent:
        return None
    return estimate_seconds_left(len(recent), len(recent) + open_epochs, math.fsum(recent))


def estimate_sweep_left(runs: Sequence[Run], at_once: int) -> float | None:
    """Returns the seconds until the last of several runs has ended, of which so many train at once.

    By the epochs that all of them have done: None before the first one.
    """
    done, elapsed, open_epochs = 0, 0.0, 0.0
    for run in runs:
        state, records = run.state(), run.epochs()
        done += len(records)
        elapsed += math.fsum(record.seconds or 0.0 for record in records)
        if state.state in LIVE_STATES:
            open_epochs += max(0.0, state.epochs - state.epoch - state.progress)
    left = estimate_seconds_left(done, done + open_epochs, elapsed)
    return None if left is None else left / max(1, min(at_once, len(runs)))
