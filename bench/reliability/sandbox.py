"""One case in a process of its own, forked from a warm one, with a limit of time and memory."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

SECONDS = 20.0  # that a case may compute, or sleep
MEMORY = 1_500_000_000  # bytes that are resident, the warm parent's included
POLL_SECONDS = 0.02
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
MAX_ANSWER = 4000  # bytes of a pipe


class Verdict(NamedTuple):
    """How a case ended: accepted, refused with a sentence, or broken."""

    kind: str
    text: str = ""  # the first sentence of a refusal, or what broke
    seconds: float = 0.0  # computed and slept
    memory: int = 0  # bytes at most


class Usage(NamedTuple):
    """What a process has used so far."""

    state: str  # R runs or could run, S and D wait
    seconds: float  # of CPU
    memory: int  # bytes, resident


def try_case(call: Callable[[], str], seconds: float = SECONDS, memory: int = MEMORY) -> Verdict:
    """Calls in a forked process, which returns a refusal's sentence, or nothing.

    Broken are an exception that nobody expected, a death, and use beyond the limits. Time in which
    the machine is busy with others does not count.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _answer(writer, call)
    os.close(writer)
    fault, used, peak = _watch(pid, reader, seconds, memory)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read() if not fault else b""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if fault or status or not answer:
        return Verdict("broken", fault or f"the process ended with {status}", used, peak)
    return Verdict(*json.loads(answer), seconds=used, memory=peak)


def _answer(writer: int, call: Callable[[], str]) -> NoReturn:
    """Calls, and writes the verdict to the pipe: the end of the forked process."""
    gc.freeze()  # what the parent made is not touched, and stays shared
    os.setpgid(0, 0)
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
    try:
        refusal = call()
        verdict = ["refused" if refusal else "accepted", refusal]
    except BaseException as error:
        verdict = ["broken", _describe_exception(error)]
    text = json.dumps([verdict[0], verdict[1][: MAX_ANSWER // 8]])
    os.write(writer, text.encode())
    os._exit(0)


def _describe_exception(error: BaseException) -> str:
    """Returns the exception and the last lines of code that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__}: {str(error)[:200]!r} at {places}"


def _watch(pid: int, reader: int, seconds: float, memory: int) -> tuple[str, float, int]:
    """Waits for the answer; kills beyond the limits. Returns the fault, the time, the peak."""
    slept, peak, computed, looked = 0.0, 0, 0.0, time.monotonic()
    while not select.select([reader], [], [], POLL_SECONDS)[0]:
        usage, now = read_usage(pid), time.monotonic()
        if usage is None:
            break
        slept += now - looked if usage.state in "SD" else 0.0
        looked, computed, peak = now, usage.seconds, max(peak, usage.memory)
        fault = f"{peak / 1e9:.2f} GB of memory" if peak > memory else ""
        if computed + slept > seconds:
            fault = f"more than {seconds:.0f} s ({computed:.1f} computed, {slept:.1f} waited)"
        if fault:
            kill_group(pid)
            return fault, computed + slept, peak
    return "", computed + slept, peak


def read_usage(pid: int) -> Usage | None:
    """Returns what a process has used; None where there is none, or it is over."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    if stat[0] == "Z":
        return None
    return Usage(stat[0], (int(stat[11]) + int(stat[12])) / TICK, resident * PAGE)


def kill_group(pid: int) -> None:
    """Kills a process and what it started in its own group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
