"""The runs that the Manifold page shows side by side."""

from __future__ import annotations

from aecore.errors import ConfigError
from aecore.runs.run import Run
from ui.kit.links import select_linked
from ui.kit.runs import has_same_inputs, list_usable_runs

NO_RUN = "no other"
FIRST_RUN, FIRST_SECOND_RUN = "mnist-vae", "mnist-contractive"  # of a first visit


def check_derivable(run: Run) -> None:
    """Raises ConfigError for a network whose derivatives would take too much time and memory."""
    if run.config().model.network.is_pretrained:
        raise ConfigError(
            f"The derivatives of all units of {run.id}, a large pretrained network, would take "
            "minutes and gigabytes. Look at it on Compare, Generate or Latent."
        )


def choose_manifold_runs(run: Run) -> list[Run]:
    """Show a select box over runs that take the same inputs; return `run` and the chosen one."""
    config = run.config()
    others = {
        other.id: other
        for other in list_usable_runs()
        if other.id != run.id
        and has_same_inputs(other.config(), config)
        and not other.config().model.network.is_pretrained
    }
    run_id = select_linked(
        None,
        "Second run",
        [NO_RUN, *others],
        "beside",
        {},
        "The same input in a second run.",
        FIRST_SECOND_RUN if run.id == FIRST_RUN else None,
    )
    return [run, others[run_id]] if run_id in others else [run]
