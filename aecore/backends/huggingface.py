"""Hugging Face Jobs: a machine rented by the minute, with the visitor's own token, which pays.

The package goes to a private model repository of the visitor, and so does the result, from inside
the job. The token is among the job's secrets and in the memory of two processes here: in no file,
log, address or environment.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aecore.backends.base import (
    Device,
    JobState,
    JobStatus,
    Order,
    RemoteJob,
    Unreachable,
    parse_news,
)
from aecore.backends.package import PACKAGE_FILE, SENT_FILE_LIMITS, pack_run, relocate_config
from aecore.errors import BackendError, HubError
from aecore.files import CONFIG_FILE, RESUME_FILE
from aecore.hub.client import (
    DEFAULT_ENDPOINT,
    Token,
    explain_hub_errors,
    hub_endpoint,
    open_client,
)
from aecore.hub.repositories import (
    ask_missing_sizes,
    check_repo_name,
    list_repo_files,
    name_of_token,
)
from aecore.model.weights import read_config
from aecore.runs.drafts import JOB_DRAFT, open_draft_folder
from aecore.runs.foreign import choose_files_to_take, strip_local_paths
from aecore.runs.listing import check_run_id, create_run, name_pulled_run, runs_folder
from aecore.runs.run import Run

BACKEND_NAME = "hf"  # in remote.json
JOB_IMAGE = "pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime"
JOB_LABEL = {"app": "aecore"}  # by which the jobs of this app are found
REPO_PREFIX = "aecore-"  # of the repositories' names
JOB_REQUIREMENTS = (  # what the image lacks, in the versions of requirements.txt
    "numpy>=2.0,<3",
    "pydantic>=2.12,<3",
    "scikit-learn>=1.7,<2",
    "pandas>=2.3,<4",
    "pyarrow>=21,<27",
    "pillow>=11.1,<14",
    "pi-heif>=1.1,<2",
    "tifffile>=2025.1.10,<2028",
    "charset-normalizer>=3.4,<4",
    "openpyxl>=3.1,<4",
    "huggingface-hub>=1.33,<3",
    "safetensors>=0.6,<1",
    "tqdm>=4.66,<5",
)
UNPACK_COMMAND = (
    "import os, sys, zipfile, huggingface_hub as hub; "
    f"archive = hub.hf_hub_download(os.environ['AE_REPO'], '{PACKAGE_FILE}'); "
    "zipfile.ZipFile(archive).extractall(sys.argv[1])"
)
LIVE_STAGES = ("SCHEDULING", "RUNNING")
STAGE_STATES: dict[str, JobState] = {
    "SCHEDULING": "queued",
    "RUNNING": "running",
    "COMPLETED": "done",
    "ERROR": "failed",
}
LAST_LOG_SECONDS = 10.0  # that the end of a log may take to arrive
LIST_TIMEOUT = 10  # seconds


class HuggingFace:
    """The jobs of one account. A handle is `account/job id`."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.stream: LogStream | None = None
        self.over = False

    def devices(self) -> list[Device]:
        """Returns what can be rented, with the prices of today."""
        label = "Hugging Face Jobs"
        if not isinstance(self.token, str):
            reason = "Sign in on the page Hub with an account that may run jobs: it pays."
            return [Device("", label, why_not=reason)]
        try:
            with explain_job_errors():
                flavours = open_client(self.token).list_jobs_hardware()
                return [parse_flavour(flavour) for flavour in flavours]
        except (HubError, Unreachable) as error:
            return [Device("", label, why_not=str(error))]

    def submit(self, run: Run, order: Order) -> str:
        """Uploads the package and starts a job; a live job of this run is taken up instead."""
        if not isinstance(self.token, str):
            raise BackendError("Nobody is signed in. Sign in on the page Hub, and resume the run.")
        user = name_of_token(self.token)
        for job in self.jobs(user):
            if job.run == run.id and job.stage in LIVE_STAGES:
                return job.handle
        repo = job_repo_name(user, run.id)
        self.upload(run, repo)
        with explain_job_errors(repo):
            started = open_client(self.token).run_job(
                image=os.environ.get("AECORE_JOB_IMAGE", JOB_IMAGE),
                command=["bash", "-c", format_job_script()],
                env=make_job_environment(repo, order.minutes),
                secrets={"HF_TOKEN": self.token},
                flavor=order.device,
                timeout=f"{order.minutes}m",
                name=repo.partition("/")[2],
                labels={**JOB_LABEL, "run": run.id},
                namespace=user,
            )
        return f"{user}/{started.id}"

    def upload(self, run: Run, repo: str) -> None:
        """Commits the package, and the config beside it, to a private repository."""
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
            status = open_client(self.token).inspect_job(job_id=job, namespace=user).status
        stage = str(getattr(status.stage, "value", status.stage))
        state = STAGE_STATES.get(stage, "stopped")
        self.over = state not in ("queued", "running")
        notes = {
            "queued": "Waiting for the machine",
            "failed": f"The job failed: {status.message or 'it gave no reason'}",
        }
        return JobStatus(state, notes.get(state, ""))

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """Returns the news since `cursor`, which counts lines of the log; a thread reads it."""
        if self.stream is None:
            user, _, job = handle.partition("/")
            api = open_client(self.token)
            self.stream = LogStream(
                lambda: api.fetch_job_logs(job_id=job, namespace=user, follow=True)
            )
        if self.over:
            self.stream.ended.wait(LAST_LOG_SECONDS)
        lines = self.stream.lines[cursor:]
        return list(parse_news(lines)), cursor + len(lines)

    def cancel(self, handle: str) -> None:
        user, _, job = handle.partition("/")
        with explain_job_errors():
            open_client(self.token).cancel_job(job_id=job, namespace=user)

    def fetch(self, handle: str, folder: Path) -> None:
        """Downloads what the job pushed last: it does so every two minutes, and at its end."""
        user, _, job = handle.partition("/")
        with explain_job_errors():
            labels = open_client(self.token).inspect_job(job_id=job, namespace=user).labels or {}
        repo = job_repo_name(user, str(labels.get("run")))
        with explain_job_errors(repo):
            api = open_client(self.token)
            info = api.model_info(repo, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or ()}
            names = choose_files_to_take(repo, ask_missing_sizes(api, repo, info.sha, sizes))
            if 0 < (sizes.get(RESUME_FILE) or 0) <= SENT_FILE_LIMITS[RESUME_FILE]:
                names.append(RESUME_FILE)
            api.snapshot_download(repo, revision=info.sha, allow_patterns=names, local_dir=folder)

    def jobs(self, user: str) -> list[RemoteJob]:
        """Returns all jobs of the account that this app started, the newest first."""
        with explain_job_errors():
            jobs = open_client(self.token).list_jobs(
                labels=JOB_LABEL, namespace=user, timeout=LIST_TIMEOUT
            )
            return [
                RemoteJob(
                    run=str((job.labels or {}).get("run", "")),
                    handle=f"{user}/{job.id}",
                    stage=str(job.status.stage),
                    flavor=str(job.flavor),
                )
                for job in jobs
            ]

    def bring(self, job: RemoteJob) -> Run:
        """Returns a run folder for a job whose own is gone, to be followed.

        Raises HubError where the Hub has its config no more.
        """
        user = job.handle.split("/")[0]
        repo = job_repo_name(user, job.run)
        with explain_job_errors(repo):
            run = self.bring_config(repo, name_pulled_run(check_run_id(job.run)))
        Order(backend=BACKEND_NAME, device=job.flavor, handle=job.handle, owner=user).write(run)
        return run

    def bring_config(self, repo: str, run_id: str) -> Run:
        """Returns a new run of that id with a repository's config, which is kept nowhere else."""
        with open_draft_folder(JOB_DRAFT) as folder:
            open_client(self.token).hf_hub_download(repo, CONFIG_FILE, local_dir=folder)
            return create_run(read_config(folder), runs_folder() / run_id)


class LogStream:
    """A job's log, read by a thread as it comes; begun again where the connection is lost."""

    def __init__(self, read: Callable[[], Iterable[str]]):
        self.read = read
        self.lines: list[str] = []
        self.ended = threading.Event()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        while not self.ended.is_set():
            try:
                for number, line in enumerate(self.read()):
                    if number >= len(self.lines):  # a stream that is begun again repeats itself
                        self.lines.append(line)
                self.ended.set()
            except Exception:  # whatever it is, the job's status says whether to go on
                self.ended.wait(2.0)


def parse_flavour(flavour: Any) -> Device:
    """Returns a device for a kind of machine that the Hub lists."""
    accelerator = flavour.accelerator
    parts = [f"{accelerator.quantity} x {accelerator.model}"] if accelerator else []
    units_per_hour = {"minute": 60.0, "hour": 1.0}.get(flavour.unit_label, 60.0)
    return Device(
        flavour.name,
        flavour.pretty_name,
        ", ".join([*parts, flavour.cpu, flavour.ram]),
        flavour.unit_cost_usd * units_per_hour,
    )


def make_job_environment(repo: str, minutes: int) -> dict[str, str]:
    """Returns the environment of a job, which every reader of the job may see: no secret."""
    environment = {
        "AE_REPO": repo,
        "AE_MINUTES": str(minutes),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    if hub_endpoint() != DEFAULT_ENDPOINT:
        environment["HF_ENDPOINT"] = hub_endpoint()
    return environment


def format_job_script() -> str:
    """Returns the shell script of a job. Nothing of it comes from a user: that is packaged."""
    packages = " ".join(map(shlex.quote, JOB_REQUIREMENTS))
    return (
        f"set -e; python -m pip install -q {packages}; folder=$(mktemp -d); "
        f'python -c {shlex.quote(UNPACK_COMMAND)} "$folder"; cd "$folder"; '
        'exec python -m aecore.backends.job --processes 0 --minutes "$AE_MINUTES" --hub "$AE_REPO"'
    )


def job_repo_name(user: str, run: str) -> str:
    """Returns the name of the private repository of a run."""
    repo = f"{user}/{REPO_PREFIX}{re.sub(r'[^A-Za-z0-9-]+', '-', run)}"[:96]
    check_repo_name(repo)
    return repo


@contextmanager
def explain_job_errors(repo: str = "") -> Iterator[None]:
    """Turns errors into HubError, as `explain_hub_errors`; Unreachable where the Hub is."""
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
