"""Hugging Face Jobs on the loopback Hub: each job runs its command as a local process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.hub.loopback import Handler, LoopbackHub, Reply, as_json, route
from tests.hub.loopback_repos import LoopbackError, iso

HARDWARE = [
    {
        "name": "cpu-basic",
        "prettyName": "CPU Basic",
        "cpu": "2 vCPU",
        "ram": "16 GB",
        "accelerator": None,
        "unitCostMicroUSD": 167,
        "unitCostUSD": 0.000167,
        "unitLabel": "minute",
    },
    {
        "name": "t4-small",
        "prettyName": "Nvidia T4 - small",
        "cpu": "4 vCPU",
        "ram": "15 GB",
        "accelerator": {
            "type": "gpu",
            "model": "T4",
            "quantity": "1",
            "vram": "16 GB",
            "manufacturer": "Nvidia",
        },
        "unitCostMicroUSD": 6667,
        "unitCostUSD": 0.006667,
        "unitLabel": "minute",
    },
]
STOP_SECONDS = 600.0  # against hanging: a job that does not listen is found by its stage


class RunningJob:
    """One job: what was asked for, its process, and all that it printed."""

    def __init__(self, number: int, owner: str, asked: dict[str, Any], home: Path):
        self.id, self.owner, self.asked = f"job{number}", owner, asked
        self.created = datetime.now(UTC)
        self.lines: list[str] = []
        self.canceled = self.timed_out = False
        self.ended = threading.Event()
        secrets = asked.get("secrets") or {}
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "AECORE_DATA") if name in os.environ
        }
        own = {
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "OMP_NUM_THREADS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        self.process = subprocess.Popen(
            asked["command"],
            env={**kept, **own, **asked["environment"], **secrets},
            cwd=home,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self.read, daemon=True).start()
        if seconds := asked.get("timeoutSeconds"):
            threading.Timer(seconds, self.time_out).start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
        self.process.wait()
        self.ended.set()

    def stop(self) -> None:
        """Send SIGTERM to the command, as a container gets it; SIGKILL where it does not end."""
        self.process.terminate()
        if not self.ended.wait(STOP_SECONDS):
            self.kill()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)

    def time_out(self) -> None:
        if not self.ended.is_set():
            self.timed_out = True
            self.kill()

    def info(self) -> dict[str, Any]:
        """Return the Hub's answer about a job: never its secrets."""
        code = self.process.poll()
        stage = "RUNNING" if not self.ended.is_set() else "COMPLETED" if code == 0 else "ERROR"
        stage = "CANCELED" if self.canceled and self.ended.is_set() else stage
        message = f"Job failed with exit code: {code}" if stage == "ERROR" else None
        status = {"stage": stage, "message": "Job timeout" if self.timed_out else message}
        owner = {"id": self.owner, "name": self.owner, "type": "user"}
        about = {
            name: self.asked.get(name)
            for name in ("command", "environment", "flavor", "labels", "dockerImage")
        }
        return {
            "id": self.id,
            "createdAt": iso(self.created),
            "owner": owner,
            "status": status,
            **about,
        }


class LoopbackJobs(LoopbackHub):
    """A loopback Hub that also runs jobs, each with a home of its own below `home`."""

    def __init__(self, home: Path, **options: Any) -> None:
        super().__init__(**options)
        self.home = home
        self.jobs: dict[str, RunningJob] = {}

    def stop(self) -> None:
        for job in self.jobs.values():
            if not job.ended.is_set():
                job.kill()
        super().stop()


def mine(handler: Handler, user: str) -> LoopbackJobs:
    handler.check_writer(user)
    assert isinstance(handler.hub, LoopbackJobs)
    return handler.hub


def job_of(handler: Handler, user: str, number: str) -> RunningJob:
    jobs = mine(handler, user).jobs
    if number not in jobs or jobs[number].owner != user:
        raise LoopbackError(404, "Job not found", "JobNotFound")
    return jobs[number]


@route("GET", "/api/jobs/hardware")
def hardware(handler: Handler) -> Reply:
    return as_json(HARDWARE)


@route("POST", "/api/jobs/{name}")
def run(handler: Handler, user: str) -> Reply:
    hub, asked = mine(handler, user), handler.asked()
    if asked["flavor"] not in {kind["name"] for kind in HARDWARE}:
        raise LoopbackError(400, f"There is no flavor {asked['flavor']}.")
    home = hub.home / f"job{len(hub.jobs)}"
    home.mkdir(parents=True)
    job = RunningJob(len(hub.jobs), user, asked, home)
    hub.jobs[job.id] = job
    return as_json(job.info())


@route("GET", "/api/jobs/{name}")
def listing(handler: Handler, user: str) -> Reply:
    labels = [text.split("=", 1) for text in handler.query.get("label", [])]
    jobs = [job for job in mine(handler, user).jobs.values() if job.owner == user]
    found = [
        job for job in jobs if all((job.asked.get("labels") or {}).get(k) == v for k, v in labels)
    ]
    return as_json([job.info() for job in reversed(found)])


@route("GET", "/api/jobs/{name}/{job}")
def inspect(handler: Handler, user: str, number: str) -> Reply:
    return as_json(job_of(handler, user, number).info())


@route("POST", "/api/jobs/{name}/{job}/cancel")
def cancel(handler: Handler, user: str, number: str) -> Reply:
    job = job_of(handler, user, number)
    job.canceled = True
    threading.Thread(target=job.stop, daemon=True).start()
    return as_json(job.info())


@route("GET", "/api/jobs/{name}/{job}/logs")
def logs(handler: Handler, user: str, number: str) -> Reply:
    """Send server-sent events, a line at a time, until the job ends, without the Hub's lock."""
    job = job_of(handler, user, number)
    handler.hub.lock.release()
    try:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        sent = 0
        while True:
            over = job.ended.is_set()  # before the look, so that the last lines are not missed
            for line in job.lines[sent:]:
                event = {"timestamp": iso(datetime.now(UTC)), "data": line}
                handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                sent += 1
            handler.wfile.flush()
            if over:
                break
            time.sleep(0.05)
    except OSError:  # nobody listens any more
        pass
    finally:
        handler.hub.lock.acquire()
    handler.close_connection = True
    return Reply(b"", 0)
