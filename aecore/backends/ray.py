"""A Ray cluster, by its Job Submission API over plain HTTP: nothing of Ray is installed here.

$AECORE_RAY_ADDRESS is the head's dashboard, such as http://127.0.0.1:8265, and $AECORE_RAY_TOKEN its token: who has
it can run anything there, so both are the operator's, never a visitor's. A token is no encryption: reach a head
that is not on this machine by an SSH tunnel or TLS.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aecore.backends.base import NEWS_MARK, Device, JobStatus, Order, Unreachable, parse_news
from aecore.backends.package import pack_run, unpack_log_files
from aecore.errors import BackendError
from aecore.runs.run import Run

RAY_TIMEOUT = 10.0
STOP_SECONDS = 60  # that a job has to save its model and deliver it: Ray's own 3 s are too few
RAY_STATES = {
    "PENDING": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "STOPPED": "stopped",
    "FAILED": "failed",
}


class Ray:
    """One cluster. A handle is a submission id: the run's own, with the number of the attempt."""

    def __init__(self) -> None:
        self.address = os.environ.get("AECORE_RAY_ADDRESS", "").rstrip("/")
        self.token = os.environ.get("AECORE_RAY_TOKEN", "")

    def devices(self) -> list[Device]:
        """A core, and GPUs: one, all of the largest node, all of several nodes."""
        if not self.address:
            return [
                Device(
                    "cpu",
                    "Ray cluster",
                    why_not="Set AECORE_RAY_ADDRESS to the address of a Ray head.",
                )
            ]
        try:
            nodes = [node.get("resources_total", {}) for node in self.nodes()]
        except (BackendError, Unreachable) as error:
            return [Device("cpu", "Ray cluster", why_not=str(error))]
        gpus, cores = (
            [int(node.get("GPU", 0)) for node in nodes],
            int(sum(node.get("CPU", 0) for node in nodes)),
        )
        where = f"Ray cluster, {len(nodes)} node{'s' * (len(nodes) != 1)}, {cores} cores"
        counts = dict.fromkeys(
            count for count in (1, max(gpus, default=0)) if 0 < count <= max(gpus, default=0)
        )
        found = [
            Device(f"gpu:{count}", f"{count} GPU{'s' * (count > 1)}", where) for count in counts
        ]
        if len([count for count in gpus if count]) > 1:
            found.append(Device(f"nodes:{sum(gpus)}", f"{sum(gpus)} GPUs of several nodes", where))
        return [*found, Device("cpu", "CPU, 1 core", where)]

    def nodes(self) -> list[dict[str, Any]]:
        rows = self.ask("GET", "/api/v0/nodes?detail=1")["data"]["result"]["result"]
        return [row for row in rows if row.get("state") == "ALIVE"]

    def submit(self, run: Run, order: Order) -> str:
        """Upload the package and start a job with it. BackendError for more than there is: it would wait for ever."""
        kind, _, count = order.device.partition(":")
        if order.device not in {device.name for device in self.devices() if not device.why_not}:
            raise BackendError(f"The cluster has no {order.device} now. Choose what is there.")
        packed, handle = pack_run(run), f"{re.sub(r'[^a-zA-Z0-9-]', '-', run.id)}-{order.attempt}"
        uri = f"_ray_pkg_{hashlib.sha256(packed).hexdigest()[:16]}.zip"
        self.ask("PUT", f"/api/packages/gcs/{uri}", packed)
        variables = {
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            "RAY_DEDUP_LOGS": "0",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        job: dict[str, Any] = {
            "submission_id": handle,
            "metadata": {"app": "aecore", "run": run.id},
        }
        job["runtime_env"] = {"working_dir": f"gcs://{uri}", "env_vars": variables}
        if kind == "nodes":
            job |= {
                "entrypoint": f"exec python -m aecore.backends.ray_train --workers {int(count)} --name {handle}"
            }
        elif kind == "gpu":
            job |= {"entrypoint": f"exec python -m aecore.backends.job --processes {int(count)}"}
            job |= {"entrypoint_num_gpus": int(count)}
        else:
            variables["OMP_NUM_THREADS"] = "1"
            job |= {"entrypoint": "exec python -m aecore.backends.job", "entrypoint_num_cpus": 1}
        return str(self.ask("POST", "/api/jobs/", json.dumps(job).encode())["submission_id"])

    def status(self, handle: str) -> JobStatus:
        job = self.ask("GET", f"/api/jobs/{handle}")
        state, message = (
            RAY_STATES.get(str(job.get("status")), "failed"),
            str(job.get("message") or ""),
        )
        if state == "failed":
            return JobStatus("failed", explain_job_end(message, job.get("driver_exit_code")))
        waiting = (
            "Waiting for a free place in the cluster" if "waiting for resources" in message else ""
        )
        return JobStatus(state, waiting if state == "queued" else "")  # type: ignore[arg-type]

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """The cursor counts characters: Ray gives the whole log each time."""
        log = str(self.ask("GET", f"/api/jobs/{handle}/logs").get("logs") or "")
        end = log.rfind("\n") + 1
        return list(parse_news(log[cursor:end].splitlines())), max(cursor, end)

    def cancel(self, handle: str) -> None:
        self.ask("POST", f"/api/jobs/{handle}/stop", b"")

    def fetch(self, handle: str, folder: Path) -> None:
        """The files are in the log: a cluster need not share a disk with this machine."""
        unpack_log_files(self.events(handle, 0)[0], folder)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """One request; Unreachable where nobody answers, BackendError where the answer is no."""
        check_ray_address(self.address, self.token)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        kind = "application/octet-stream" if method == "PUT" else "application/json"
        request = urllib.request.Request(
            self.address + path,
            body,
            headers | ({"Content-Type": kind} if body is not None else {}),
            method=method,
        )
        try:
            with urllib.request.build_opener(NoRedirect).open(
                request, timeout=RAY_TIMEOUT
            ) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise self.refusal(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(
                f"The Ray cluster at {self.address} does not answer ({reason})."
            ) from error

    def refusal(self, error: urllib.error.HTTPError) -> BackendError | Unreachable:
        if error.code in (401, 403):
            return BackendError(
                f"The Ray cluster at {self.address} refuses the token. Set AECORE_RAY_TOKEN to its own."
            )
        if error.code in (502, 503, 504):
            return Unreachable(f"The Ray cluster at {self.address} is not ready ({error.code}).")
        if error.code == 404:
            return BackendError(
                "The Ray cluster does not know this job any more. Was it started anew? Resume the run."
            )
        said = " ".join(error.read(2000).decode(errors="replace").split())[-300:]
        return BackendError(f"The Ray cluster refused ({error.code}): {said}")


def explain_job_end(message: str, code: int | None) -> str:
    """Why a job failed, in a sentence: a signal, or the last line that it printed in its own words."""
    found = re.search(r"exit code (-?\d+)", message)
    code = int(found[1]) if found else code or 0
    if code < 0 or code > 128:
        return f"The job was killed (signal {-code if code < 0 else code - 128})."
    lines = [
        line.strip()
        for line in message.splitlines()
        if line.strip() and NEWS_MARK + "{" not in line
    ]
    return f"The job failed: {lines[-1][:500] if lines else f'exit code {code}'}"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Nobody else is to get the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


def check_ray_address(address: str, token: str) -> None:
    """BackendError where anyone on the way could run anything on the cluster."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BackendError(
            "AECORE_RAY_ADDRESS is no address. Set it to something like http://127.0.0.1:8265."
        )
    if not token and not is_loopback(parts.hostname):
        raise BackendError(
            f"{parts.hostname} is another machine, and AECORE_RAY_TOKEN is not set. Start the cluster with "
            "RAY_AUTH_MODE=token and give its token, or reach it by an SSH tunnel."
        )


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
