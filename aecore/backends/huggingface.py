"""Hugging Face Jobs: a machine rented by the minute, with the visitor's own token, which pays.

The package goes to a private model repository of the visitor, and so does the result, from inside the job. The token
is among the job's secrets and in the memory of two processes here: in no file, log, address or environment.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aecore.backends.base import Device, JobStatus, Order, Unreachable, parse_news
from aecore.backends.package import PACKAGED_CODE, SENT_FILE_LIMITS, pack_run, relocate_config
from aecore.errors import BackendError, HubError
from aecore.files import CONFIG_FILE, RESUME_FILE
from aecore.hub.client import Token, explain_hub_errors, hub_endpoint, open_client
from aecore.hub.repositories import check_repo_name, list_repo_files, name_of_token
from aecore.model.weights import read_config
from aecore.runs.foreign import choose_files_to_take, strip_local_paths
from aecore.runs.listing import check_run_id, create_run, runs_folder
from aecore.runs.run import Run

JOB_IMAGE = "pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime"
PACKAGE_FILE = "job.zip"
REPO_PREFIX = "aecore-"  # of the repositories' names
NEEDED_PACKAGES = (
    "numpy",
    "pydantic",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "pillow",
    "huggingface-hub",
    "safetensors",
    "tqdm",
)
UNPACK_COMMAND = (
    "import os, sys, zipfile, huggingface_hub as hub; "
    f"zipfile.ZipFile(hub.hf_hub_download(os.environ['AE_REPO'], '{PACKAGE_FILE}')).extractall(sys.argv[1])"
)
STAGE_STATES = {
    "SCHEDULING": "queued",
    "RUNNING": "running",
    "COMPLETED": "done",
    "ERROR": "failed",
}
LAST_LOG_LINES = 10.0  # seconds that the end of a log may take to arrive


class HubJob(NamedTuple):
    """A job of this visitor, as the Hub lists it."""

    run: str  # the run's id
    handle: str
    stage: str
    flavor: str


class HuggingFace:
    """The jobs of one account. A handle is `account/job id`."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.stream: LogStream | None = None
        self.over = False

    def devices(self) -> list[Device]:
        """What can be rented, with the prices of today."""
        label = "Hugging Face Jobs"
        if not isinstance(self.token, str):
            return [
                Device(
                    "",
                    label,
                    why_not="Sign in on the page Hub with an account that may run jobs: it pays.",
                )
            ]
        try:
            with explain_job_errors():
                return [
                    parse_flavour(kind) for kind in open_client(self.token).list_jobs_hardware()
                ]
        except (HubError, Unreachable) as error:
            return [Device("", label, why_not=str(error))]

    def submit(self, run: Run, order: Order) -> str:
        """Upload the package and start a job; one that this run has already is found again instead."""
        if not isinstance(self.token, str):
            raise BackendError("Nobody is signed in. Sign in on the page Hub, and resume the run.")
        user = name_of_token(self.token)
        if live := next(
            (job for job in self.jobs(user) if job.run == run.id and job.stage in LIVE_STAGES), None
        ):
            return live.handle
        repo = job_repo_name(user, run.id)
        self.upload(run, repo)
        variables = {
            "AE_REPO": repo,
            "AE_MINUTES": str(order.minutes),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        if hub_endpoint() != "https://huggingface.co":
            variables["HF_ENDPOINT"] = hub_endpoint()
        with explain_job_errors(repo):
            job = open_client(self.token).run_job(
                image=os.environ.get("AECORE_JOB_IMAGE", JOB_IMAGE),
                command=["bash", "-c", format_job_script()],
                env=variables,
                secrets={"HF_TOKEN": self.token},
                flavor=order.device,
                timeout=f"{order.minutes}m",
                name=repo.partition("/")[2],
                labels={"app": "aecore", "run": run.id},
                namespace=user,
            )
        return f"{user}/{job.id}"

    def upload(self, run: Run, repo: str) -> None:
        """The package, and the config beside it, as a private repository."""
        from huggingface_hub import CommitOperationAdd

        config = strip_local_paths(relocate_config(run.config())[0]).model_dump_json(indent=2)
        files = {PACKAGE_FILE: pack_run(run), CONFIG_FILE: config.encode()}
        with explain_job_errors(repo):
            api = open_client(self.token)
            list_repo_files(api, repo, private=True)
            api.create_repo(repo, private=True, exist_ok=True)
            changes = [CommitOperationAdd(name, data) for name, data in files.items()]
            api.create_commit(repo, changes, commit_message="To be trained by a job")

    def status(self, handle: str) -> JobStatus:
        user, _, job = handle.partition("/")
        with explain_job_errors():
            now = open_client(self.token).inspect_job(job_id=job, namespace=user).status
        stage = str(getattr(now.stage, "value", now.stage))
        state = STAGE_STATES.get(stage, "stopped")
        self.over = state not in ("queued", "running")
        note = {
            "queued": "Waiting for the machine",
            "failed": f"The job failed: {now.message or 'it gave no reason'}",
        }
        return JobStatus(state, note.get(state, ""))  # type: ignore[arg-type]

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """The cursor counts lines of the log, which streams in beside."""
        if self.stream is None:
            user, _, job = handle.partition("/")
            api = open_client(self.token)
            self.stream = LogStream(
                lambda: api.fetch_job_logs(job_id=job, namespace=user, follow=True)
            )
        if self.over:
            self.stream.ended.wait(LAST_LOG_LINES)
        lines = self.stream.lines[cursor:]
        return list(parse_news(lines)), cursor + len(lines)

    def cancel(self, handle: str) -> None:
        user, _, job = handle.partition("/")
        with explain_job_errors():
            open_client(self.token).cancel_job(job_id=job, namespace=user)

    def fetch(self, handle: str, folder: Path) -> None:
        """What the job pushed last: it does so every two minutes, and at its end."""
        user, _, job = handle.partition("/")
        with explain_job_errors():
            labels = open_client(self.token).inspect_job(job_id=job, namespace=user).labels or {}
        repo = job_repo_name(user, str(labels.get("run")))
        with explain_job_errors(repo):
            api = open_client(self.token)
            info = api.model_info(repo, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or ()}
            names = choose_files_to_take(repo, sizes)
            names += (
                [RESUME_FILE]
                if 0 < (sizes.get(RESUME_FILE) or 0) <= SENT_FILE_LIMITS[RESUME_FILE]
                else []
            )
            api.snapshot_download(repo, revision=info.sha, allow_patterns=names, local_dir=folder)

    def jobs(self, user: str) -> list[HubJob]:
        """All jobs of the account that this app started, the newest first: found by their label."""
        with explain_job_errors():
            found = list(
                open_client(self.token).list_jobs(
                    labels={"app": "aecore"}, namespace=user, timeout=10
                )
            )
        return [
            HubJob(
                str((job.labels or {}).get("run", "")),
                f"{user}/{job.id}",
                str(job.status.stage),
                str(job.flavor),
            )
            for job in found
        ]

    def bring(self, job: HubJob) -> Run:
        """A run folder for a job whose own is gone, to be followed. HubError where the Hub has its config no more."""
        repo = job_repo_name(job.handle.split("/")[0], job.run)
        with explain_job_errors(repo):
            path = Path(open_client(self.token).hf_hub_download(repo, CONFIG_FILE))
        run = create_run(read_config(path.parent), runs_folder() / check_run_id(job.run))
        Order(
            backend="hf", device=job.flavor, handle=job.handle, owner=job.handle.split("/")[0]
        ).write(run)
        return run


LIVE_STAGES = ("SCHEDULING", "RUNNING")


class LogStream:
    """A job's log, read by a thread as it comes; begun again where the connection is lost."""

    def __init__(self, read: Callable[[], Iterable[str]]):
        self.read, self.lines, self.ended = read, [], threading.Event()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        while not self.ended.is_set():
            try:
                for number, line in enumerate(self.read()):
                    if number >= len(self.lines):  # a stream that is begun again repeats itself
                        self.lines.append(line)
                self.ended.set()
            except Exception:  # whatever it is, the job's status tells whether to go on
                self.ended.wait(2.0)


def parse_flavour(kind: Any) -> Device:
    """A flavour of the Hub."""
    parts = [f"{kind.accelerator.quantity} x {kind.accelerator.model}"] if kind.accelerator else []
    price = kind.unit_cost_usd * {"minute": 60.0, "hour": 1.0}.get(kind.unit_label, 60.0)
    return Device(kind.name, kind.pretty_name, ", ".join([*parts, kind.cpu, kind.ram]), price)


def format_job_script() -> str:
    """What the job runs. Nothing of it comes from a user: that is in the package."""
    lines = (PACKAGED_CODE.parent / "requirements.txt").read_text().splitlines()
    names = {re.split(r"[^\w-]", line)[0]: line.split("#")[0].strip() for line in lines}
    packages = " ".join(shlex.quote(names[name]) for name in NEEDED_PACKAGES)
    return (
        f"set -e; python -m pip install -q {packages}; folder=$(mktemp -d); "
        f'python -c {shlex.quote(UNPACK_COMMAND)} "$folder"; cd "$folder"; '
        'exec python -m aecore.backends.job --processes 0 --minutes "$AE_MINUTES" --hub "$AE_REPO"'
    )


def job_repo_name(user: str, run: str) -> str:
    """The private repository of a run."""
    repo = f"{user}/{REPO_PREFIX}{re.sub(r'[^A-Za-z0-9-]+', '-', run)}"[:96]
    check_repo_name(repo)
    return repo


@contextmanager
def explain_job_errors(repo: str = "") -> Iterator[None]:
    """As `plainly`; where the Hub cannot be reached, Unreachable."""
    from huggingface_hub import errors

    try:
        with explain_hub_errors(repo):
            yield
    except HubError as error:
        cause = error.__cause__
        status = getattr(getattr(cause, "response", None), "status_code", 0)
        silent = not status and isinstance(cause, errors.HTTPError | ConnectionError | TimeoutError)
        if silent or status == 429 or status >= 500:
            raise Unreachable(str(error)) from error
        raise
