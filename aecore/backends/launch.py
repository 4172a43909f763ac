"""Starting, resuming and stopping runs, on this machine or at a remote backend.

The run folder here is the same for all: a small process follows a run that is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from aecore.backends.base import Order
from aecore.backends.local import spawn_for_run, submit_local, submit_together
from aecore.backends.registry import BACKENDS
from aecore.errors import RunError
from aecore.files import REMOTE_FILE, read_plain_text
from aecore.hub.client import Token
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES


def start_run(
    run: Run, order: Order | None = None, token: Token = False, processes: int = 1
) -> None:
    """Trains the run as soon as there is room: here, or where an order says. Returns at once."""
    if order is None:
        submit_local(run, processes)
    else:
        send_run(run, order, token)


def launch_runs(runs: Sequence[Run], order: Order | None = None, token: Token = False) -> None:
    """Trains runs as soon as there is room; returns at once.

    Here those of one shape train together, where a processor trains them.
    """
    if order is not None:
        for run in runs:
            send_run(run, order, token)
        return

    from aecore.training.together import arrange_groups

    for group in arrange_groups(runs):
        if len(group) > 1:
            submit_together(group)
        else:
            submit_local(group[0])


def send_run(run: Run, order: Order, token: Token = False) -> None:
    """Starts a process that sends the run where the order says and follows it. Returns at once.

    The token goes to that process by a pipe: it is in no file, no address and no environment.
    """
    if run.state().state in LIVE_STATES and run.is_locked():
        raise RunError(f"{run.id} is being trained already. Stop it first, or wait.")
    order.write(run)
    secret = token if isinstance(token, str) else ""
    spawn_for_run(run, "aecore.backends.follow", input_text=secret)


def resume_run(run: Run, token: Token = False) -> None:
    """Continues a run where it was; of a remote one that was lost, follows the job again."""
    order = read_order(run)
    if order is not None and run.state().state != "lost":
        order = order.model_copy(update={"handle": "", "cursor": 0, "attempt": order.attempt + 1})
    start_run(run, order, token)


def stop_run(run: Run) -> None:
    """Ends a run, which keeps its best model; a remote one ends a little later."""
    if read_order(run) is None or not run.is_locked():
        run.stop()
    else:
        run.interrupt()


def read_order(run: Run) -> Order | None:
    """Returns where the run was sent; None for a run of this machine or a torn file."""
    try:
        order = Order.model_validate_json(read_plain_text(run.path / REMOTE_FILE))
    except (OSError, ValueError):
        return None
    entry = BACKENDS.get(order.backend)
    return order if entry is not None and entry.is_remote else None
