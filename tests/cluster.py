"""A Ray head on 127.0.0.1 as far as its HTTP goes; its jobs are processes of this machine."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

# The processes above an entrypoint, as a real head has them: the raylet, a program in C++ with the
# interpreter of its workers in its arguments, and a job supervisor that has overwritten its own.
RAYLET = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[2:]))"
SUPERVISOR = """
import subprocess, sys
job = subprocess.Popen(sys.argv[2], shell=True, stdout=sys.stderr, start_new_session=True)
print(job.pid, flush=True)
print(job.wait(), flush=True)
"""
SLOWNESS = 10  # of a machine of tests beside a cluster's: a stop may take that many times as long


class Job:
    """An entrypoint that runs in its unpacked package, as Ray runs it: by a shell, with a log.

    Where Linux tells a process its parents, no `python` that has torch is on the PATH.
    """

    def __init__(self, asked: dict[str, Any], package: bytes, home: Path):
        self.asked, self.home, self.stopped = asked, home, False
        zipfile.ZipFile(io.BytesIO(package)).extractall(home)
        self.variables = asked["runtime_env"]["env_vars"]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        if Path("/proc/self/status").exists():
            path = "/usr/bin:/bin"
        small = [sys.executable, "-S", "-E", "-c"]
        worker = f"--python_worker_command={sys.executable} setup_worker.py default_worker.py"
        self.log = open(home / "driver.log", "wb")  # noqa: SIM115 - the process writes to it
        self.raylet = subprocess.Popen(
            [*small, RAYLET, worker, *small, SUPERVISOR, "ray::JobSupervisor", asked["entrypoint"]],
            cwd=home,
            env={"PATH": path, "HOME": str(home), **self.variables},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )
        assert self.raylet.stdout is not None
        self.pid = int(self.raylet.stdout.readline())
        self.code: int | None = None
        self.ended = threading.Event()
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self) -> None:
        assert self.raylet.stdout is not None
        self.code = int(self.raylet.stdout.readline() or -signal.SIGKILL)
        self.raylet.wait()
        self.ended.set()

    def stop(self) -> None:
        """SIGTERM to the process and its children, then SIGKILL: Ray's way."""
        self.stopped = True
        os.killpg(self.pid, signal.SIGTERM)
        if not self.ended.wait(float(self.variables.get("RAY_JOB_STOP_WAIT_TIME_S", 3)) * SLOWNESS):
            os.killpg(self.pid, signal.SIGKILL)

    def info(self) -> dict[str, Any]:
        code = self.code
        status = (
            "RUNNING"
            if code is None
            else "STOPPED"
            if self.stopped
            else "FAILED"
            if code
            else "SUCCEEDED"
        )
        failed = (
            f"Job entrypoint command failed with exit code {code}, last available logs: "
            + self.text()[-2000:]
        )
        return {
            "status": status,
            "driver_exit_code": code,
            "message": failed if status == "FAILED" else "",
        }

    def text(self) -> str:
        return (self.home / "driver.log").read_text()


class Cluster:
    """The head: its packages, its jobs, and the token without which it answers nothing."""

    def __init__(self, home: Path, token: str = "", gpus: int = 0) -> None:
        self.home, self.token, self.gpus = home, token, gpus
        self.packages: dict[str, bytes] = {}
        self.jobs: dict[str, Job] = {}
        self.requests: list[tuple[str, str]] = []
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (Handler,), {"cluster": self})
        )
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        for job in self.jobs.values():
            if not job.ended.is_set():
                os.killpg(job.pid, signal.SIGKILL)

    def submit(self, asked: dict[str, Any]) -> dict[str, str]:
        number = asked["submission_id"]
        assert number not in self.jobs, "Ray refuses an id that it knows"
        package = self.packages[asked["runtime_env"]["working_dir"].removeprefix("gcs://")]
        self.jobs[number] = Job(asked, package, self.home / number)
        return {"submission_id": number}


class Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def answer(self) -> None:
        head, path = self.cluster, self.path.split("?")[0]
        head.requests.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if head.token and sent != head.token:
            self.send(403 if sent else 401, {"error": "no"})
            return
        parts = path.strip("/").split("/")
        if path == "/api/v0/nodes":
            node = {
                "state": "ALIVE",
                "resources_total": {"CPU": 2.0, **({"GPU": head.gpus} if head.gpus else {})},
            }
            self.send(
                200,
                {
                    "data": {
                        "result": {
                            "result": [node, {"state": "DEAD", "resources_total": {"GPU": 8}}]
                        }
                    }
                },
            )
        elif self.command == "PUT" and parts[:3] == ["api", "packages", "gcs"]:
            head.packages[parts[3]] = body
            self.send(200, {})
        elif self.command == "POST" and path == "/api/jobs/":
            self.send(200, head.submit(json.loads(body)))
        elif parts[:2] == ["api", "jobs"] and (job := head.jobs.get(parts[2])):
            if parts[3:] == ["stop"]:
                threading.Thread(target=job.stop, daemon=True).start()
            self.send(200, {"logs": job.text()} if parts[3:] == ["logs"] else job.info())
        else:
            self.send(404, {"error": "There is no such thing."})

    do_GET = do_PUT = do_POST = answer

    def send(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
