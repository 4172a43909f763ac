"""Kills of the server in the middle of an upload, a pull, a push or a map."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import random
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import uvicorn
from starlette.applications import Starlette

from aecore.analysis.projection_job import ProjectionJob
from aecore.errors import AecoreError
from aecore.files import METRICS_FILE, WEIGHTS_FILE
from aecore.hub.pull import pull_run
from aecore.hub.push import push_run
from aecore.model.autoencoder import Autoencoder
from aecore.runs.drafts import RUN_DRAFTS, TEMPORARY_DRAFTS, remove_all_drafts
from aecore.runs.listing import create_run
from aecore.runs.ownership import HOME_USER
from aecore.runs.plan import plan_run
from aecore.runs.run import Run
from aecore.runs.storage import ledger
from aecore.runs.uploads import UPLOAD_SUFFIXES, list_filled_uploads, uploads_folder
from aecore.training.trainer import fit
from bench.reliability.kills import is_running, kill_process, use_settings
from bench.reliability.live_server import list_marked_processes
from bench.reliability.part import Outcome, Part
from tests.hub.loopback import LoopbackHub
from ui.kit.jobs import JobRegistry
from ui.kit.routes import UPLOAD_ROUTE
from ui.kit.upload_tickets import upload_desk

TOKEN, REPO = "hf_alice", "alice/model"
LONGEST_WAIT = 0.6  # seconds of a pull, a push or a map before the kill
UPLOAD_BYTES, PIECE_BYTES = 3_000_000, 30_000
END_SECONDS = 15.0  # after which what a server started must have ended
SETTINGS = {"training.epochs": 2, "training.previews": 2}
WIDE = {**SETTINGS, "network.hidden": (4000, 2000)}  # a model of 70 MB takes a while to copy


class Scene:
    """A Hub with a model, a run to push, and folders."""

    def __init__(self, root: Path, hub: LoopbackHub) -> None:
        self.root, self.runs, self.hub = root, root / "runs", hub
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        self.run = create_run(plan_run("vanilla", "digits", settings=WIDE), self.runs / "own")
        list(fit(self.run))
        push_run(self.run, REPO, token=TOKEN)

    def check(self) -> str:
        """Starts as the next server does; returns what is torn or left over."""
        remove_all_drafts(self.runs)
        left = [path.name for prefix in RUN_DRAFTS for path in self.runs.glob(f"{prefix}*")]
        left += [path.name for path in self.runs.glob(".own/*/.*.part")]
        left += [path.name for path in self.runs.glob("*/.*.tmp")]
        left += [
            path.name for prefix in TEMPORARY_DRAFTS for path in self.temporary.glob(f"{prefix}*")
        ]
        faults = [f"left over: {', '.join(left[:5])}"] if left else []
        for folder in self.runs.glob("[!.]*"):
            try:
                Autoencoder.load(folder)
                assert Run(folder).state().state == "done" and (folder / METRICS_FILE).is_file()
            except (AecoreError, AssertionError) as error:
                faults.append(f"torn: {folder.name} ({error})")
        faults += [f"still running: {name}" for name in self.list_left_processes()]
        return "; ".join(faults)

    def clear(self) -> None:
        """Deletes what earlier cases pulled: the room that a visitor has is every case's own."""
        for folder in self.runs.glob("pulled-*"):
            shutil.rmtree(folder)
        ledger.forget_measurement()

    def list_left_processes(self) -> list[str]:
        """Returns the processes of a killed server that do not end."""
        deadline = time.monotonic() + END_SECONDS
        while (pids := self.list_processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        names = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200] for pid in pids]
        for pid in pids:
            kill_process(pid)
        return names

    def list_processes(self) -> list[int]:
        """Returns the processes that a server of this folder started."""
        own = os.getpid()
        return [
            pid for pid in list_marked_processes(str(self.root)) if pid != own and is_running(pid)
        ]


# -- what a server does when it is killed


def kill_in_upload(scene: Scene, rng: random.Random) -> None:
    """Sends a file to the route of uploads in a process that is killed before the end."""
    secret = upload_desk.issue(HOME_USER, "", UPLOAD_SUFFIXES)
    with serve_uploads() as (pid, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.putrequest("PUT", f"/own/{secret}/table.csv")
        connection.putheader("Content-Length", str(UPLOAD_BYTES))
        connection.endheaders()
        for _ in range(rng.randrange(1, UPLOAD_BYTES // PIECE_BYTES)):
            connection.send(bytes(PIECE_BYTES))
            time.sleep(0.001)
        has_begun = wait_for_draft()
        kill_process(pid)
        connection.close()
    assert has_begun, "the server took nothing"
    assert not list_filled_uploads(), "a torn upload counts as a set"


@contextlib.contextmanager
def serve_uploads() -> Iterator[tuple[int, int]]:
    """Forks a process that knows this one's tickets and takes uploads; gives its id and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pid = os.fork()
        if not pid:
            try:
                server = uvicorn.Config(Starlette(routes=[UPLOAD_ROUTE]), log_level="critical")
                uvicorn.Server(server).run(sockets=[listener])
            finally:
                os._exit(0)
        try:
            yield pid, listener.getsockname()[1]
        finally:
            kill_process(pid)
            os.waitpid(pid, 0)


def wait_for_draft() -> bool:
    """Waits until a server has begun to write; returns whether it has."""
    deadline = time.monotonic() + 30
    while not (drafts := list(uploads_folder().glob("*/.*.part"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(drafts)


def kill_in_pull(scene: Scene, rng: random.Random) -> None:
    """Pulls the model of the Hub in a job of a server that is killed."""
    out = scene.runs / f"pulled-{rng.randrange(10**9)}"
    kill_in_job(scene, rng, lambda: pull_run(REPO, token=TOKEN, out=out))


def kill_in_push(scene: Scene, rng: random.Random) -> None:
    """Pushes a run in a job of a server that is killed; the repository is whole."""
    repo = f"alice/pushed-{rng.randrange(10**9)}"
    kill_in_job(scene, rng, lambda: push_run(scene.run, repo, token=TOKEN))
    with scene.hub.lock:
        files = set(scene.hub.repos[repo].at("main").files) if repo in scene.hub.repos else set()
    assert WEIGHTS_FILE in files or not files - {".gitattributes"}, f"half a commit: {files}"


def kill_in_map(scene: Scene, rng: random.Random) -> None:
    """Starts a slow map in a server that is killed."""
    job = ProjectionJob(scene.run, rng.choice(("tsne", "umap")), 2, "test", 300, "digits")
    kill_in_job(scene, rng, job.start, LONGEST_WAIT * 8)


def kill_in_job(
    scene: Scene, rng: random.Random, call: Callable[[], object], longest: float = LONGEST_WAIT
) -> None:
    """Calls in a thread of a process, as a page's job is, and kills the process after a while."""
    pid = os.fork()
    if not pid:
        try:
            registry = JobRegistry()
            registry.start("job", call)
            while registry.look("job").state == "running":
                time.sleep(0.01)
            time.sleep(60)
        finally:
            os._exit(0)
    time.sleep(rng.uniform(0, longest))
    kill_process(pid)
    os.waitpid(pid, 0)


KILLS = (kill_in_upload, kill_in_pull, kill_in_push, kill_in_map)


def run_servers(seed: int, cases: range) -> Outcome:
    """Kills a server in each case, and looks at what it left after the next start."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    outcome = Outcome()
    with open_scene() as scene:
        for number in cases:
            rng, kill = random.Random(f"servers {seed} {number}"), KILLS[number % len(KILLS)]
            try:
                kill(scene, rng)
                fault = scene.check()
            except AssertionError as error:
                fault = str(error)
            scene.clear()
            outcome.add(kill.__name__.removeprefix("kill_in_"), f"{number}: {fault}" * bool(fault))
    return outcome


@contextlib.contextmanager
def open_scene() -> Iterator[Scene]:
    """Gives a scene in a folder of its own, whose settings are those of a public Space."""
    with (
        tempfile.TemporaryDirectory(prefix="aecore-reliability-") as name,
        LoopbackHub(users={TOKEN: "alice"}) as hub,
        use_settings(
            AECORE_PUBLIC="1",
            HF_ENDPOINT=hub.url,
            AECORE_RUNS=f"{name}/runs",
        ),
    ):
        scene = Scene(Path(name), hub)
        with use_settings(TMPDIR=str(scene.temporary)):
            tempfile.tempdir = None  # to be found anew
            try:
                yield scene
            finally:
                tempfile.tempdir = None


PART = Part(
    "servers",
    "The server is killed (SIGKILL) while it receives a file, pulls a run, pushes one or has a "
    "slow map made. Broken is a run or a repository that is half there, a draft that is left after "
    "the next start, and a process that does not end.",
    30,
    3,
    run_servers,
)
