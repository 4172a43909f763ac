"""The runs that the Denoise page compares."""

from __future__ import annotations

from collections.abc import Sequence

from aecore.runs.run import Run
from ui.kit.messages import show_note


def keep_runs_of_one_shape(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs that take pictures of the first one's shape; names the others."""
    shape = runs[0].config().model.input_shape
    others = [run.id for run in runs if run.config().model.input_shape != shape]
    if others:
        show_note(f"Left out, since they take pictures of another size: {', '.join(others)}.")
    return [run for run in runs if run.id not in others]
