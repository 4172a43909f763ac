"""A server of the app as a public Space runs it, and what it and its children use of the machine.

All of its processes, those that outlive it too, are known by the folder in their environment.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.screenshots import PROJECT

TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n((?:\s.*\n)+)(.*)")
OWN_FRAME = re.compile(rf'File "{PROJECT}/((?!\.venv)[^"]+)", line (\d+)')
IMAGE_SETTING = re.compile(r"((?:AECORE|OMP|STREAMLIT)_\w+)=(\S+)")
START_SECONDS, END_SECONDS = 120.0, 30.0


class LiveServer(NamedTuple):
    """A server, by its address, its process and the folder that all its files are in."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def runs(self) -> Path:
        """The folder of its runs."""
        return self.folder / "runs"

    def read_log(self) -> str:
        """Returns what the server printed."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def list_exceptions(self) -> list[str]:
        """Returns each exception that the server printed, once, with its way through our code."""
        found = []
        for frames, error in TRACEBACK.findall(self.read_log()):
            places = [f"{file}:{line}" for file, line in OWN_FRAME.findall(frames)]
            found.append(f"{error[:300]} at {' > '.join(places[-3:])}")
        return list(dict.fromkeys(found))

    def read_resident_mb(self) -> float:
        """Returns the memory of the server's own process."""
        return read_resident_mb(self.process.pid)

    def list_processes(self) -> list[int]:
        """Returns the ids of the server and of all that it started, alive."""
        return list_marked_processes(str(self.folder))

    def end(self) -> None:
        """End the server as a terminal does; forcibly where it does not."""
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait_for_children(self, seconds: float) -> list[int]:
        """Returns the processes that are left `seconds` after the server, or sooner none."""
        deadline = time.monotonic() + seconds
        while (left := self.list_processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left


@contextmanager
def run_public_server(folder: Path, **environment: str) -> Iterator[LiveServer]:
    """Run a public server whose files are in `folder`; nothing of it is left at the end."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    settings = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
    arguments = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    places = {"AECORE_RUNS": str(folder / "runs"), "AECORE_CACHE": str(folder / "cache")}
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *arguments],
            cwd=PROJECT,
            env={
                **os.environ,
                **read_image_settings(),
                "AECORE_PUBLIC": "1",
                **places,
                **environment,
            },
            stdout=log,
            stderr=log,
        )
    server = LiveServer(f"http://127.0.0.1:{port}", process, folder)
    try:
        wait_until_healthy(server)
        yield server
    finally:
        server.end()
        for pid in server.list_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def read_image_settings() -> dict[str, str]:
    """Returns the settings of the Dockerfile, as a Space has them."""
    return dict(IMAGE_SETTING.findall((PROJECT / "Dockerfile").read_text()))


def wait_until_healthy(server: LiveServer) -> None:
    """Wait until the server answers; RuntimeError with its log where it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(f"{server.address}/healthz", timeout=5)
            return
        time.sleep(0.1)
    raise RuntimeError(f"The server does not answer:\n{server.read_log()[-2000:]}")


def list_marked_processes(mark: str) -> list[int]:
    """Returns the ids of the living processes whose environment holds a text."""
    marked = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                marked.append(int(path.parent.name))
    return sorted(marked)


def read_resident_mb(pid: int) -> float:
    """Returns the memory that a process holds; 0 where it has ended."""
    return read_proc_mb(pid, "status", "VmRSS")


def read_shared_mb(pid: int) -> float:
    """Returns the memory of a process with its share of what it has in common with others."""
    return read_proc_mb(pid, "smaps_rollup", "Pss")


def read_proc_mb(pid: int, file: str, name: str) -> float:
    """Returns an entry of a file in /proc; 0 where the process has ended."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0.0
    entry = re.search(rf"{name}:\s+(\d+) kB", text)
    return int(entry[1]) / 1000 if entry else 0.0


def describe_process(pid: int) -> str:
    """Returns the command of a process, shortened."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
    return str(pid)
