"""How far a run is, in words: waiting, starting, or training with so much time left."""

from __future__ import annotations

from aecore.backends.waiting import count_runs_ahead
from aecore.progress import format_duration
from aecore.runs.estimates import estimate_training_left
from aecore.runs.run import Run
from aecore.runs.state import State
from ui.train.estimate import describe_kept_estimate


def describe_run_progress(run: Run, state: State) -> str:
    """Returns what a run is at, and while it trains how long it still takes."""
    if state.state == "queued":
        return describe_wait(run)
    if state.state != "running":
        return f"{state.epoch:,} of {state.epochs:,} epochs"
    text = f"Epoch {min(state.epoch + 1, state.epochs):,} of {state.epochs:,}"
    left = estimate_training_left(run.epochs(), state)
    if left is None:
        return text + describe_kept_estimate(run)
    return f"{text}, about {format_duration(left)} left"


def describe_wait(run: Run) -> str:
    """Returns whether a queued run is about to start, or for how many others it waits."""
    ahead = count_runs_ahead(run.path)
    if ahead is None or ahead == 0:
        return "Starting" + describe_kept_estimate(run)
    return f"Waiting for {ahead} {'other' if ahead == 1 else 'others'}"
