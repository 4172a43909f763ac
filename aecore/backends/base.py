"""What every place that trains has in common: six methods, and what is written down of a run that is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from aecore.errors import AecoreError
from aecore.files import REMOTE_FILE, write_text_file
from aecore.model.parts.base import Options
from aecore.runs.run import Run

NEWS_MARK = "AE "  # before what a job tells of its run, in its log


RemoteName = Literal["ray", "hf"]


class Unreachable(AecoreError):
    """A backend does not answer: it may do so later, and the run may go on meanwhile."""


class Device(NamedTuple):
    """Something to train on, at one of the backends."""

    name: str  # as the backend calls it
    label: str  # for people
    detail: str = ""
    price: float | None = None  # dollars an hour; None costs nothing
    why_not: str = ""  # why it cannot be used now; empty where it can


class JobStatus(NamedTuple):
    """How a backend says that a run stands."""

    state: Literal["queued", "running", "done", "stopped", "failed"]
    note: str = ""  # what it waits for, or what went wrong


class Order(Options):
    """remote.json: where a run was sent, and how far its news have been read."""

    backend: RemoteName
    device: str = Field(max_length=64)
    label: str = Field("", max_length=200)  # for people
    handle: str = Field(
        "", max_length=200
    )  # by which the backend knows it; empty before it was sent
    attempt: int = 1
    owner: str = Field("", max_length=100)  # the account that pays
    minutes: int = Field(0, ge=0, le=100_000)  # the backend ends it then; 0 never
    price: float | None = None  # dollars an hour
    cursor: int = Field(0, ge=0)

    def write(self, run: Run) -> Order:
        write_text_file(run.path / REMOTE_FILE, self.model_dump_json(indent=2) + "\n")
        return self


class Backend(Protocol):
    """An engine that trains. A handle is text that can be kept; every method may raise AecoreError or Unreachable."""

    def devices(self) -> list[Device]: ...
    def submit(self, run: Run, order: Order) -> str: ...  # the handle
    def status(self, handle: str) -> JobStatus: ...
    def events(
        self, handle: str, cursor: int
    ) -> tuple[list[dict[str, Any]], int]: ...  # what the job told since then
    def cancel(
        self, handle: str
    ) -> None: ...  # it saves its best model and ends; harmless when it has
    def fetch(
        self, handle: str, folder: Path
    ) -> None: ...  # the files of the trained run into `folder`


def read_order(run: Run) -> Order | None:
    """Where the run was sent; None for one of this machine."""
    try:
        return Order.model_validate_json((run.path / REMOTE_FILE).read_text())
    except (OSError, ValueError):
        return None


def parse_news(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """What a job's log tells of its run; other lines, and what a stranger prints between them, are passed over."""
    for line in lines:
        _, mark, text = line.partition(NEWS_MARK + "{")
        if mark and len(text) < 200_000:
            try:
                row = json.loads("{" + text)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row
