"""The contract of a backend: six methods, and the file that says where a run was sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from aecore.errors import AecoreError
from aecore.files import REMOTE_FILE, write_text_file
from aecore.model.parts.base import Options
from aecore.runs.run import Run

NEWS_MARK = "AE "  # what a line of a job's log begins with that reports on its run
MAX_NEWS_LINE = 200_000

JobState = Literal["queued", "running", "done", "stopped", "failed"]


class Unreachable(AecoreError):
    """A backend does not answer: it may do so later, and the run may go on meanwhile."""


class Device(NamedTuple):
    """Hardware to train on, at one of the backends."""

    name: str  # as the backend calls it
    label: str  # for people
    detail: str = ""
    price: float | None = None  # dollars per hour; None costs nothing
    why_not: str = ""  # why it cannot be used now; empty where it can


class JobStatus(NamedTuple):
    """The state of a run as its backend sees it."""

    state: JobState
    note: str = ""  # what it waits for, or what went wrong


class RemoteJob(NamedTuple):
    """A job of the visitor's account, as its backend lists it."""

    run: str  # the run's id
    handle: str
    stage: str
    flavor: str  # the device, as the backend calls it


class Order(Options):
    """remote.json: where a run was sent, and how much of its job's news has been read."""

    backend: str = Field(max_length=64)  # a name of the registry
    device: str = Field(max_length=64)
    label: str = Field("", max_length=200)  # of the device, for people
    handle: str = Field(
        "", max_length=200
    )  # the backend's name of the job; empty before it is sent
    attempt: int = 1
    owner: str = Field("", max_length=100)  # the account that pays
    minutes: int = Field(0, ge=0, le=100_000)  # after which the backend ends it; 0 is never
    price: float | None = None  # dollars per hour
    cursor: int = Field(0, ge=0)

    def write(self, run: Run) -> Order:
        write_text_file(run.path / REMOTE_FILE, self.model_dump_json(indent=2) + "\n")
        return self


class Backend(Protocol):
    """An engine that trains runs.

    A handle is text that can be kept in a file. Every method may raise an AecoreError, and
    Unreachable where trying again later may help.
    """

    def devices(self) -> list[Device]:
        """Returns what there is to train on, or one device that says why there is nothing."""

    def submit(self, run: Run, order: Order) -> str:
        """Starts a job that trains the run; returns its handle."""

    def status(self, handle: str) -> JobStatus:
        """Returns how the job stands."""

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """Returns the job's news since `cursor`, and the cursor after them."""

    def cancel(self, handle: str) -> None:
        """Tells the job to save its best model and end; harmless when it has ended."""

    def fetch(self, handle: str, folder: Path) -> None:
        """Puts the files of the trained run into `folder`."""


@runtime_checkable
class JobFinder(Protocol):
    """A backend that lists the jobs of an account, so that a lost run can be brought back."""

    def jobs(self, user: str) -> list[RemoteJob]:
        """Returns all jobs of the account that this app started, the newest first."""

    def bring(self, job: RemoteJob) -> Run:
        """Returns a run folder for a job whose own is gone, ready to be followed."""


def parse_news(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yields what the lines of a job's log report on its run; passes over all other lines."""
    for line in lines:
        _, mark, text = line.partition(NEWS_MARK + "{")
        if not mark or len(text) >= MAX_NEWS_LINE:
            continue
        try:
            row = json.loads("{" + text)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row
