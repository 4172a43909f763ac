"""A Ray cluster, by its Job Submission API over plain HTTP: nothing of Ray is installed here.

$AECORE_RAY_ADDRESS is the head's dashboard, such as http://127.0.0.1:8265, and $AECORE_RAY_TOKEN
its token: who has it can run anything there, so both are the operator's, never a visitor's. A token
is no encryption: reach a head that is not on this machine by an SSH tunnel or TLS.
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

from aecore.backends.base import (
    NEWS_MARK,
    Device,
    JobState,
    JobStatus,
    Order,
    Unreachable,
    parse_news,
)
from aecore.backends.package import pack_run, unpack_log_files
from aecore.errors import BackendError
from aecore.runs.run import Run

RAY_TIMEOUT = 10.0
STOP_SECONDS = 60  # that a job has to save its model and deliver it: Ray's own 3 s are too few
RAY_STATES: dict[str, JobState] = {
    "PENDING": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "STOPPED": "stopped",
    "FAILED": "failed",
}
# Shell that sets $python to the interpreter that Ray itself runs, which has what Ray was installed
# with. It need not be the `python` of the PATH: a head may be started by its full path. Ray runs an
# entrypoint as a child of its job supervisor, whose own command line is overwritten by a title, and
# whose executable is a link that loses a virtual environment. But the supervisor's parent, the
# raylet, has the command by which it starts Python workers among its arguments, maybe in quotes.
# Without /proc, or under another parent, it falls back to the PATH.
FIND_RAYS_PYTHON = r"""
raylet=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status 2>/dev/null)
python=$(tr '\0' '\n' 2>/dev/null </proc/$raylet/cmdline | sed -n \
  -e 's/^--python_worker_command="\([^"]*\)".*/\1/p' \
  -e 's/^--python_worker_command=\([^" ]*\) .*/\1/p')
[ -x "$python" ] || python=$(command -v python || command -v python3)
"""


class Ray:
    """One cluster. A handle is a submission id: the run's own, with the number of the attempt."""

    def __init__(self) -> None:
        self.address = os.environ.get("AECORE_RAY_ADDRESS", "").rstrip("/")
        self.token = os.environ.get("AECORE_RAY_TOKEN", "")

    def devices(self) -> list[Device]:
        """Returns a core, and GPUs: one, all of the largest node, all of several nodes."""
        if not self.address:
            reason = "Set AECORE_RAY_ADDRESS to the address of a Ray head."
            return [Device("cpu", "Ray cluster", why_not=reason)]
        try:
            nodes = [node.get("resources_total", {}) for node in self.nodes()]
        except (BackendError, Unreachable) as error:
            return [Device("cpu", "Ray cluster", why_not=str(error))]
        return list_ray_devices(nodes)

    def nodes(self) -> list[dict[str, Any]]:
        """Returns the nodes that are alive, as Ray describes them."""
        rows = self.ask("GET", "/api/v0/nodes?detail=1")["data"]["result"]["result"]
        return [row for row in rows if row.get("state") == "ALIVE"]

    def submit(self, run: Run, order: Order) -> str:
        """Uploads the package and starts a job with it.

        Raises BackendError for more than there is: the job would wait for ever.
        """
        if order.device not in {device.name for device in self.devices() if not device.why_not}:
            raise BackendError(f"The cluster has no {order.device} now. Choose what is there.")
        archive, handle = pack_run(run), f"{re.sub(r'[^a-zA-Z0-9-]', '-', run.id)}-{order.attempt}"
        uri = f"_ray_pkg_{hashlib.sha256(archive).hexdigest()[:16]}.zip"
        self.ask("PUT", f"/api/packages/gcs/{uri}", archive)
        job = describe_ray_job(order.device, handle, uri) | {
            "submission_id": handle,
            "metadata": {"app": "aecore", "run": run.id},
        }
        return str(self.ask("POST", "/api/jobs/", json.dumps(job).encode())["submission_id"])

    def status(self, handle: str) -> JobStatus:
        job = self.ask("GET", f"/api/jobs/{handle}")
        state = RAY_STATES.get(str(job.get("status")), "failed")
        message = str(job.get("message") or "")
        if state == "failed":
            return JobStatus("failed", explain_job_end(message, job.get("driver_exit_code")))
        is_short_of_room = state == "queued" and "waiting for resources" in message
        return JobStatus(
            state, "Waiting for a free place in the cluster" if is_short_of_room else ""
        )

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """Returns the news since `cursor`, which counts characters: Ray gives the whole log."""
        log = str(self.ask("GET", f"/api/jobs/{handle}/logs").get("logs") or "")
        end = log.rfind("\n") + 1
        return list(parse_news(log[cursor:end].splitlines())), max(cursor, end)

    def cancel(self, handle: str) -> None:
        self.ask("POST", f"/api/jobs/{handle}/stop", b"")

    def fetch(self, handle: str, folder: Path) -> None:
        """Unpacks the files in the log: a cluster need not share a disk with this machine."""
        unpack_log_files(self.events(handle, 0)[0], folder)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Returns the answer to one request, as JSON.

        Raises Unreachable where nobody answers, BackendError where the answer is no.
        """
        check_ray_address(self.address, self.token)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            is_package = method == "PUT"
            headers["Content-Type"] = (
                "application/octet-stream" if is_package else "application/json"
            )
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        opener = urllib.request.build_opener(NoRedirect)
        try:
            with opener.open(request, timeout=RAY_TIMEOUT) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise explain_ray_refusal(self.address, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(
                f"The Ray cluster at {self.address} does not answer ({reason}). Is it running?"
            ) from error


def list_ray_devices(nodes: list[dict[str, Any]]) -> list[Device]:
    """Returns what can be ordered of a cluster whose nodes have these resources."""
    gpus = [int(node.get("GPU", 0)) for node in nodes]
    cores = int(sum(node.get("CPU", 0) for node in nodes))
    cluster = f"Ray cluster, {len(nodes)} node{'s' * (len(nodes) != 1)}, {cores} cores"
    most = max(gpus, default=0)
    devices = [
        Device(f"gpu:{count}", f"{count} GPU{'s' * (count > 1)}", cluster)
        for count in sorted({1, most})
        if 0 < count <= most
    ]
    if len([count for count in gpus if count]) > 1:
        total = sum(gpus)
        devices.append(Device(f"nodes:{total}", f"{total} GPUs of several nodes", cluster))
    return [*devices, Device("cpu", "CPU, 1 core", cluster)]


def describe_ray_job(device: str, handle: str, uri: str) -> dict[str, Any]:
    """Returns what Ray is to run, with which resources: the package at `uri`, on a device."""
    kind, _, count = device.partition(":")
    variables = {
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
        "RAY_DEDUP_LOGS": "0",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    job: dict[str, Any] = {
        "runtime_env": {"working_dir": f"gcs://{uri}", "env_vars": variables},
    }
    if kind == "nodes":
        command = f"aecore.backends.ray_train --workers {int(count)} --name {handle}"
    elif kind == "gpu":
        command = f"aecore.backends.job --processes {int(count)}"
        job["entrypoint_num_gpus"] = int(count)
    else:
        command = "aecore.backends.job"
        job["entrypoint_num_cpus"] = 1
        variables["OMP_NUM_THREADS"] = "1"
    job["entrypoint"] = f'{FIND_RAYS_PYTHON.strip()}\nexec "$python" -m {command}'
    return job


def explain_ray_refusal(address: str, error: urllib.error.HTTPError) -> BackendError | Unreachable:
    """Returns the error to raise for an HTTP status of the cluster at `address`."""
    if error.code in (401, 403):
        return BackendError(
            f"The Ray cluster at {address} refuses the token. Set AECORE_RAY_TOKEN to its own."
        )
    if error.code in (502, 503, 504):
        return Unreachable(f"The Ray cluster at {address} is not ready ({error.code}). Wait a bit.")
    if error.code == 404:
        return BackendError(
            "The Ray cluster does not know this job any more. Was it started anew? Resume the run."
        )
    reason = " ".join(error.read(2000).decode(errors="replace").split())[-300:]
    return BackendError(f"The Ray cluster refused ({error.code}): {reason}")


def explain_job_end(message: str, code: int | None) -> str:
    """Returns why a job failed, in a sentence: a signal, or the last line that it printed."""
    stated = re.search(r"exit code (-?\d+)", message)
    code = int(stated[1]) if stated else code or 0
    if code < 0 or code > 128:
        return f"The job was killed (signal {-code if code < 0 else code - 128})."
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and NEWS_MARK + "{" not in line]
    return f"The job failed: {lines[-1][:500] if lines else f'exit code {code}'}"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: nobody else is to get the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


def check_ray_address(address: str, token: str) -> None:
    """Raises BackendError where anyone on the way could run anything on the cluster."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BackendError(
            "AECORE_RAY_ADDRESS is no address. Set it to something like http://127.0.0.1:8265."
        )
    if not token and not is_loopback(parts.hostname):
        raise BackendError(
            f"{parts.hostname} is another machine, and AECORE_RAY_TOKEN is not set. Start the "
            "cluster with RAY_AUTH_MODE=token and give its token, or reach it by an SSH tunnel."
        )


def is_loopback(host: str) -> bool:
    """Returns True where a host name is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
