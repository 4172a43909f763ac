"""state.json: how a run stands."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aecore.model.parts.base import Options

Status = Literal["queued", "running", "done", "stopped", "failed", "lost"]
LIVE_STATES, FINAL_STATES = ("queued", "running"), ("done", "stopped", "failed")
RESUMABLE_STATES = ("stopped", "lost", "failed")
Count = Annotated[int, Field(ge=0, le=10**9)]


class State(Options):
    """state.json."""

    state: Status = "queued"
    epoch: Count = 0
    epochs: Count = 0
    kept_epoch: Count | None = None  # whose weights are the model's; 0 is the start, None unknown
    # its loss, of validation where examples are held out; infinite while losses do not compare
    best: float | None = Field(None, allow_inf_nan=True)
    progress: float = Field(0.0, ge=0, le=1)  # of the epoch that is under way
    device: str = Field("", max_length=200)
    note: str = Field("", max_length=200)  # what it is doing before the first epoch
    error: str = Field("", max_length=2000)
    since: float = 0.0  # when it was queued, seconds since 1970
    # for how many processes it waits in the queue of this machine; 0 where it is not in there
    processes: int = Field(0, ge=0)
    # of the processor, with which it computes and is resumed; 0 where nobody chose
    threads: int = Field(0, ge=0)
    together: str = Field("", max_length=255)  # the first of the runs that one process is to train
