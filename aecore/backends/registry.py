"""Where runs train. The run folder here is the same for all: what is elsewhere is followed by a small process."""

from __future__ import annotations

from aecore.backends.base import Backend, Order, read_order
from aecore.backends.local import Local, spawn_for_run, submit_local
from aecore.errors import RunError
from aecore.hub.client import Token
from aecore.runs.run import LIVE_STATES, Run

BACKEND_LABELS = {"local": "This machine", "ray": "Ray cluster", "hf": "Hugging Face Jobs"}


def open_backend(name: str, token: Token = False) -> Backend:
    """The backend of that name: local, ray or hf. Only hf needs the token, of who pays."""
    if name == "ray":
        from aecore.backends.ray import Ray

        return Ray()
    if name == "hf":
        from aecore.backends.huggingface import HuggingFace

        return HuggingFace(token)
    return Local()


def start_run(
    run: Run, order: Order | None = None, token: Token = False, processes: int = 1
) -> None:
    """Train the run as soon as there is room: here, or where an order says. Returns at once."""
    if order is None:
        submit_local(run, processes)
    else:
        send_run(run, order, token)


def send_run(run: Run, order: Order, token: Token = False) -> None:
    """Let a process send the run where the order says and follow it; returns at once.

    The token goes to that process by a pipe: it is in no file, no address and no environment.
    """
    if run.state().state in LIVE_STATES and run.is_locked():
        raise RunError(f"{run.id} is being trained already. Stop it first, or wait.")
    order.write(run)
    spawn_for_run(run, "aecore.backends.follow", said=token if isinstance(token, str) else "")


def resume_run(run: Run, token: Token = False) -> None:
    """Go on with a run where it was. Of one that is elsewhere and was lost from sight, the job is followed again."""
    order = read_order(run)
    if order is not None and run.state().state != "lost":
        order = order.model_copy(update={"handle": "", "cursor": 0, "attempt": order.attempt + 1})
    start_run(run, order, token)


def stop_run(run: Run) -> None:
    """End a run; it keeps its best model. One that is elsewhere ends a little later."""
    if read_order(run) is None or not run.is_locked():
        run.stop()
    else:
        run.interrupt()
