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

from aecore import hub, runs
from aecore.backends.base import Device, Order, Standing, Unreachable, told
from aecore.backends.package import CODE, SIZES, elsewhere, pack
from aecore.errors import BackendError, HubError
from aecore.hub_client import Token, client, endpoint, plainly
from aecore.pulled import wanted, without_folders
from aecore.runs import Run
from aecore.train import RESUME
from aecore.weights import CONFIG, read_config

IMAGE = "pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime"
PACKAGE = "job.zip"
PREFIX = "aecore-"  # of the repositories' names
NEEDED = ("numpy", "pydantic", "scikit-learn", "pandas", "pyarrow", "pillow", "huggingface-hub", "safetensors", "tqdm")
UNPACK = (
    "import os, sys, zipfile, huggingface_hub as hub; "
    f"zipfile.ZipFile(hub.hf_hub_download(os.environ['AE_REPO'], '{PACKAGE}')).extractall(sys.argv[1])"
)
STAGES = {"SCHEDULING": "queued", "RUNNING": "running", "COMPLETED": "done", "ERROR": "failed"}
LAST_WORDS = 10.0  # seconds that the end of a log may take to arrive


class Job(NamedTuple):
    """A job of this visitor, as the Hub lists it."""

    run: str  # the run's id
    handle: str
    stage: str
    flavor: str


class HuggingFace:
    """The jobs of one account. A handle is `account/job id`."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.stream: Stream | None = None
        self.over = False

    def devices(self) -> list[Device]:
        """What can be rented, with the prices of today."""
        label = "Hugging Face Jobs"
        if not isinstance(self.token, str):
            return [Device("", label, why_not="Sign in on the page Hub with an account that may run jobs: it pays.")]
        try:
            with asking():
                return [device(kind) for kind in client(self.token).list_jobs_hardware()]
        except (HubError, Unreachable) as error:
            return [Device("", label, why_not=str(error))]

    def submit(self, run: Run, order: Order) -> str:
        """Upload the package and start a job; one that this run has already is found again instead."""
        if not isinstance(self.token, str):
            raise BackendError("Nobody is signed in. Sign in on the page Hub, and resume the run.")
        user = hub.whoami(self.token)
        if live := next((job for job in self.jobs(user) if job.run == run.id and job.stage in STAGES_LIVE), None):
            return live.handle
        repo = repo_of(user, run.id)
        self.upload(run, repo)
        variables = {"AE_REPO": repo, "AE_MINUTES": str(order.minutes), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        if endpoint() != "https://huggingface.co":
            variables["HF_ENDPOINT"] = endpoint()
        with asking(repo):
            job = client(self.token).run_job(
                image=os.environ.get("AECORE_JOB_IMAGE", IMAGE), command=["bash", "-c", script()], env=variables,
                secrets={"HF_TOKEN": self.token}, flavor=order.device, timeout=f"{order.minutes}m",
                name=repo.partition("/")[2], labels={"app": "aecore", "run": run.id}, namespace=user,
            )  # fmt: skip
        return f"{user}/{job.id}"

    def upload(self, run: Run, repo: str) -> None:
        """The package, and the config beside it, as a private repository."""
        from huggingface_hub import CommitOperationAdd

        config = without_folders(elsewhere(run.config())[0]).model_dump_json(indent=2)
        files = {PACKAGE: pack(run), CONFIG: config.encode()}
        with asking(repo):
            api = client(self.token)
            hub.present(api, repo, private=True)
            api.create_repo(repo, private=True, exist_ok=True)
            changes = [CommitOperationAdd(name, data) for name, data in files.items()]
            api.create_commit(repo, changes, commit_message="To be trained by a job")

    def status(self, handle: str) -> Standing:
        user, _, job = handle.partition("/")
        with asking():
            now = client(self.token).inspect_job(job_id=job, namespace=user).status
        stage = str(getattr(now.stage, "value", now.stage))
        state = STAGES.get(stage, "stopped")
        self.over = state not in ("queued", "running")
        note = {"queued": "Waiting for the machine", "failed": f"The job failed: {now.message or 'it gave no reason'}"}
        return Standing(state, note.get(state, ""))  # type: ignore[arg-type]

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """The cursor counts lines of the log, which streams in beside."""
        if self.stream is None:
            user, _, job = handle.partition("/")
            api = client(self.token)
            self.stream = Stream(lambda: api.fetch_job_logs(job_id=job, namespace=user, follow=True))
        if self.over:
            self.stream.ended.wait(LAST_WORDS)
        lines = self.stream.lines[cursor:]
        return list(told(lines)), cursor + len(lines)

    def cancel(self, handle: str) -> None:
        user, _, job = handle.partition("/")
        with asking():
            client(self.token).cancel_job(job_id=job, namespace=user)

    def fetch(self, handle: str, folder: Path) -> None:
        """What the job pushed last: it does so every two minutes, and at its end."""
        user, _, job = handle.partition("/")
        with asking():
            labels = client(self.token).inspect_job(job_id=job, namespace=user).labels or {}
        repo = repo_of(user, str(labels.get("run")))
        with asking(repo):
            api = client(self.token)
            info = api.model_info(repo, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or ()}
            names = wanted(repo, sizes)
            names += [RESUME] if 0 < (sizes.get(RESUME) or 0) <= SIZES[RESUME] else []
            api.snapshot_download(repo, revision=info.sha, allow_patterns=names, local_dir=folder)

    def jobs(self, user: str) -> list[Job]:
        """All jobs of the account that this app started, the newest first: found by their label."""
        with asking():
            found = list(client(self.token).list_jobs(labels={"app": "aecore"}, namespace=user, timeout=10))
        return [
            Job(str((job.labels or {}).get("run", "")), f"{user}/{job.id}", str(job.status.stage), str(job.flavor))
            for job in found
        ]

    def bring(self, job: Job) -> Run:
        """A run folder for a job whose own is gone, to be followed. HubError where the Hub has its config no more."""
        repo = repo_of(job.handle.split("/")[0], job.run)
        with asking(repo):
            path = Path(client(self.token).hf_hub_download(repo, CONFIG))
        run = runs.create(read_config(path.parent), runs.root() / runs.safe_name(job.run))
        Order(backend="hf", device=job.flavor, handle=job.handle, owner=job.handle.split("/")[0]).write(run)
        return run


STAGES_LIVE = ("SCHEDULING", "RUNNING")


class Stream:
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


def device(kind: Any) -> Device:
    """A flavour of the Hub."""
    parts = [f"{kind.accelerator.quantity} x {kind.accelerator.model}"] if kind.accelerator else []
    price = kind.unit_cost_usd * {"minute": 60.0, "hour": 1.0}.get(kind.unit_label, 60.0)
    return Device(kind.name, kind.pretty_name, ", ".join([*parts, kind.cpu, kind.ram]), price)


def script() -> str:
    """What the job runs. Nothing of it comes from a user: that is in the package."""
    lines = (CODE.parent / "requirements.txt").read_text().splitlines()
    names = {re.split(r"[^\w-]", line)[0]: line.split("#")[0].strip() for line in lines}
    packages = " ".join(shlex.quote(names[name]) for name in NEEDED)
    return (
        f"set -e; python -m pip install -q {packages}; folder=$(mktemp -d); "
        f'python -c {shlex.quote(UNPACK)} "$folder"; cd "$folder"; '
        'exec python -m aecore.backends.job --processes 0 --minutes "$AE_MINUTES" --hub "$AE_REPO"'
    )


def repo_of(user: str, run: str) -> str:
    """The private repository of a run."""
    repo = f"{user}/{PREFIX}{re.sub(r'[^A-Za-z0-9-]+', '-', run)}"[:96]
    hub.check_repo(repo)
    return repo


@contextmanager
def asking(repo: str = "") -> Iterator[None]:
    """As `plainly`; where the Hub cannot be reached, Unreachable."""
    from huggingface_hub import errors

    try:
        with plainly(repo):
            yield
    except HubError as error:
        cause = error.__cause__
        status = getattr(getattr(cause, "response", None), "status_code", 0)
        silent = not status and isinstance(cause, errors.HTTPError | ConnectionError | TimeoutError)
        if silent or status == 429 or status >= 500:
            raise Unreachable(str(error)) from error
        raise
